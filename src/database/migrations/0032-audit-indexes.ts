import type { Knex } from 'knex';

/** Entries are looked for among the sealed ones only: one that is just written needs none of these indexes, and nobody reads by `at` alone. */
export async function up(sql: Knex): Promise<void> {
  await sql.raw('DROP INDEX audit_entry_at');
  for (const column of ['actor', 'target']) {
    await sql.raw(`DROP INDEX audit_entry_${column}`);
    await sql.raw(`CREATE INDEX audit_entry_${column} ON audit_entry (${column}, seq) WHERE seq IS NOT NULL`);
  }
}
