import type { Knex } from 'knex';

/** What developers are told of their mini-apps: two more counters of each day, and indexes that hold all that is summed up. */
export async function up(sql: Knex): Promise<void> {
  // Every installation and removal; `installs` are those that the ranking counts. Processes of before go on writing rows without them.
  for (const column of ['installations', 'removals']) await sql.raw(`ALTER TABLE catalog_day ADD COLUMN ${column} integer NOT NULL DEFAULT 0`);
  // Of the time before, what still stands: that is all that is known of it.
  for (const [column, state] of [['installations', 'installed'], ['removals', 'removed']] as const) {
    await sql.raw(
      `INSERT INTO catalog_day (seq, day, ${column}) SELECT e.seq, i.changed_at / 86400000, count(*) FROM installation i JOIN catalog_entry e ON e.miniapp_id = i.miniapp_id WHERE i.state = '${state}' GROUP BY e.seq, i.changed_at / 86400000
       ON CONFLICT (seq, day) DO UPDATE SET ${column} = excluded.${column}`,
    );
  }
  await sql.raw('DROP INDEX installation_miniapp');
  await sql.raw('CREATE INDEX installation_miniapp ON installation (miniapp_id, state, version)');
  await sql.raw('DROP INDEX webhook_delivery_app');
  await sql.raw('CREATE INDEX webhook_delivery_app ON webhook_delivery (miniapp_id, created_at, id, state)');
  await sql.raw('CREATE INDEX payment_turnover ON payment (miniapp_id, completed_at, sandbox, currency, amount) WHERE completed_at IS NOT NULL');
  await sql.raw('CREATE INDEX payment_gone_back ON payment (miniapp_id, id, sandbox, currency) WHERE refunded > 0');
}
