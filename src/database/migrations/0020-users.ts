import type { Knex } from 'knex';

/** Users whom an administrator has suspended. Who is not here may sign in. */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.createTable('user_suspension', (table) => {
    table.text('user_id').primary();
    table.text('reason').notNullable();
    table.text('suspended_by').notNullable();
    table.bigInteger('suspended_at').notNullable();
    /** 1 when the suspension froze the wallet: then its end thaws it. */
    table.integer('froze_wallet').notNullable();
  });
}
