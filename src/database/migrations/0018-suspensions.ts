import type { Knex } from 'knex';

/** Users who may not act through a client for a while, and what they say to it (specification section 11.4.5); and the traces of jobs. */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.createTable('suspension', (table) => {
    table.text('user_id').notNullable();
    /** Empty: of requests with the user's own Matrix access token. */
    table.text('client_id').notNullable();
    table.text('reason').notNullable();
    table.bigInteger('since').notNullable();
    table.bigInteger('until').notNullable();
    table.primary(['user_id', 'client_id']);
  });
  await sql.raw('CREATE INDEX suspension_until ON suspension (until)');

  await sql.schema.createTable('suspension_appeal', (table) => {
    table.text('id').primary();
    table.text('user_id').notNullable();
    table.text('client_id').notNullable();
    table.text('message').notNullable();
    table.text('state').notNullable().checkIn(['open', 'lifted', 'upheld'], 'suspension_appeal_state');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('decided_at');
    table.text('decided_by');
  });
  await sql.raw('CREATE INDEX suspension_appeal_state ON suspension_appeal (state, created_at)');

  // The trace that a job belongs to: that of the request which queued it (W3C traceparent).
  await sql.schema.alterTable('job', (table) => table.text('trace'));
}
