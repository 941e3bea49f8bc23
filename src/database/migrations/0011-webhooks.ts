import type { Knex } from 'knex';

/** What mini-apps' servers are told, and what became of it. */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.createTable('webhook_delivery', (table) => {
    table.text('id').primary();
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    table.text('event').notNullable();
    /** As it is sent, byte for byte, at every attempt. */
    table.text('payload').notNullable();
    table.text('state').notNullable().checkIn(['pending', 'delivered', 'refused', 'failed'], 'webhook_delivery_state');
    table.integer('attempts').notNullable();
    table.integer('last_status');
    table.text('last_error');
    table.bigInteger('created_at').notNullable();
    /** Null once it is settled. */
    table.bigInteger('next_at');
    table.bigInteger('settled_at');
  });
  await sql.raw('CREATE INDEX webhook_delivery_app ON webhook_delivery (miniapp_id, created_at, id)');
  await sql.raw('CREATE INDEX webhook_delivery_settled ON webhook_delivery (settled_at) WHERE settled_at IS NOT NULL');

  await sql.schema.createTable('webhook_old_secret', (table) => {
    table.text('id').primary();
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    table.text('sealed').notNullable();
    /** Until then deliveries are signed with it too. */
    table.bigInteger('until').notNullable();
  });
  await sql.raw('CREATE INDEX webhook_old_secret_app ON webhook_old_secret (miniapp_id)');
}
