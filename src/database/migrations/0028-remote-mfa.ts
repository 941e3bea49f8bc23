import type { Knex } from 'knex';

/**
 * Second factors that a wallet service keeps. Here: which changes of them were told to their users. For a process that is such a
 * service: requests whose answers may be asked for again, proofs that movements spend, and the changes that it made.
 */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.createTable('mfa_told_change', (table) => {
    /** The service's. */
    table.text('id').primary();
    table.text('user_id').notNullable();
    table.bigInteger('told_at').notNullable().index('mfa_told_change_told');
  });
  await sql.schema.createTable('service_call', (table) => {
    /** `Idempotency-Key` */
    table.text('key').primary();
    /** Keyed: credentials can't be guessed from it. */
    table.text('request_mac').notNullable();
    /** Sealed: answers to enrolments hold secrets. */
    table.text('answer_sealed');
    table.bigInteger('started_at').notNullable().index('service_call_started');
  });
  await sql.schema.createTable('service_proof', (table) => {
    table.text('id').primary();
    table.text('user_id').notNullable();
    /** Of id, amount, currency and payee. */
    table.text('terms_hash').notNullable();
    table.bigInteger('expires_at').notNullable().index('service_proof_expires');
    /** The movement that spent it. */
    table.text('spent_by');
  });
  await sql.raw('CREATE INDEX service_proof_user ON service_proof (user_id) WHERE spent_by IS NULL');
  await sql.schema.createTable('service_factor_change', (table) => {
    table.text('id').primary();
    table.text('user_id').notNullable();
    /** JSON, as it is told. */
    table.text('change').notNullable();
    /** Counts the changes of the user: several may be of one moment. */
    table.bigInteger('n').notNullable();
    table.bigInteger('changed_at').notNullable();
    table.index(['user_id', 'n'], 'service_factor_change_user');
  });
}
