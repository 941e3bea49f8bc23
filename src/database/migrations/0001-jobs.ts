import type { Knex } from 'knex';

/** The durable queue: its rows are written in the transaction of the change that they announce. */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.createTable('job_stream', (table) => {
    table.text('stream').primary();
    table.bigInteger('next_pos').notNullable();
    /** When the first queued job of this stream may run; null when there is none. */
    table.bigInteger('ready_at');
    table.text('lease_owner');
    table.bigInteger('lease_until');
    /** Raised by each claim: a worker whose lease ran out can't settle anything any more. Starts at the time, so that it never returns. */
    table.bigInteger('fence').notNullable();
  });
  await sql.raw('CREATE INDEX job_stream_ready ON job_stream (ready_at) WHERE ready_at IS NOT NULL');
  await sql.raw('CREATE INDEX job_stream_owner ON job_stream (lease_owner) WHERE lease_owner IS NOT NULL');

  await sql.schema.createTable('job', (table) => {
    table.text('id').primary();
    table.text('stream').notNullable();
    table.bigInteger('pos').notNullable();
    table.text('kind').notNullable();
    table.text('body').notNullable();
    table.text('state').notNullable().checkIn(['queued', 'done', 'parked', 'discarded'], 'job_state');
    table.integer('attempts').notNullable().defaultTo(0);
    table.bigInteger('next_at').notNullable();
    /** Set before an attempt: a queued job that has it may already have had its effect outside. */
    table.bigInteger('started_at');
    table.text('last_error');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('finished_at');
  });
  await sql.raw(`CREATE INDEX job_queued ON job (stream, pos) WHERE state = 'queued'`);
  await sql.raw(`CREATE INDEX job_parked ON job (stream, created_at) WHERE state = 'parked'`);
  await sql.raw(`CREATE INDEX job_finished ON job (finished_at) WHERE state IN ('done', 'discarded')`);
}
