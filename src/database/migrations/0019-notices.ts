import type { Knex } from 'knex';

/** What users' devices are told as it happens (`/api/v1/events`). */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.createTable('notice_feed', (table) => {
    table.text('user_id').primary();
    /** Of the last notice: taken under this row's lock at the end of a transaction, so that positions are commit order. */
    table.bigInteger('last_pos').notNullable();
    /** Notices up to here are forgotten. */
    table.bigInteger('floor').notNullable();
  });

  await sql.schema.createTable('notice', (table) => {
    table.text('user_id').notNullable();
    table.bigInteger('pos').notNullable();
    table.text('kind').notNullable();
    /** A mini-app's id or a reserved audience: its tokens hear of it. */
    table.text('audience');
    /** 1: the host client hears of it too. */
    table.integer('for_host').notNullable();
    /** The session that did it, which knows already. */
    table.text('session_id');
    table.text('body').notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['user_id', 'pos']);
  });
  await sql.raw('CREATE INDEX notice_age ON notice (created_at)');
  await sql.raw('CREATE INDEX notice_lane_order ON notice (user_id, audience, pos) WHERE for_host = 0');

  /** Where a mini-app's chatter was cut, so that it costs nobody else their notices. */
  await sql.schema.createTable('notice_lane', (table) => {
    table.text('user_id').notNullable();
    /** As `notice.audience`; empty for what the host client hears. */
    table.text('lane').notNullable();
    table.bigInteger('floor').notNullable();
    table.primary(['user_id', 'lane']);
  });
}
