import type { Knex } from 'knex';

/** What the server knows of the homeserver's side: its own rooms, its virtual users, and rooms that are encrypted. */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.createTable('own_room', (table) => {
    /** `catalogue`, or `notice:@user:server` */
    table.text('purpose').primary();
    table.text('room_id').notNullable().unique();
    table.bigInteger('created_at').notNullable();
  });
  await sql.schema.createTable('virtual_user', (table) => {
    table.text('user_id').primary();
    table.text('display_name').notNullable();
    table.bigInteger('updated_at').notNullable();
  });
  await sql.schema.createTable('encrypted_room', (table) => {
    table.text('room_id').primary();
    table.bigInteger('told_at').notNullable();
  });
}
