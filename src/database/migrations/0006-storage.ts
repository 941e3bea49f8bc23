import type { Knex } from 'knex';

/** What mini-apps store for their users (specification section 10.3, decision D9). */
export async function up(sql: Knex): Promise<void> {
  // Keys are ordered by their bytes on both databases, whatever the locale.
  const byBytes = (sql.client as { config: { client: unknown } }).config.client === 'pg' ? 'text COLLATE "C"' : 'text';
  await sql.schema.createTable('storage_space', (table) => {
    table.increments('id');
    table.text('user_id').notNullable();
    /** A mini-app's id, or a reserved audience. */
    table.text('namespace').notNullable();
    /** Of entries that are not deleted; those that have expired and are not buried yet are in it. */
    table.bigInteger('bytes').notNullable().checkBetween([0, Number.MAX_SAFE_INTEGER], 'storage_space_bytes');
    table.bigInteger('keys').notNullable().checkBetween([0, Number.MAX_SAFE_INTEGER], 'storage_space_keys');
    /** Of the last change. */
    table.bigInteger('rev').notNullable();
    /** Deletions up to this revision are forgotten. */
    table.bigInteger('floor').notNullable();
    /** No entry expires before. */
    table.bigInteger('next_expiry_at');
    /** How many answers were ever kept for replays. */
    table.bigInteger('mutations').notNullable();
    table.unique(['user_id', 'namespace']);
  });
  await sql.raw('CREATE INDEX storage_space_expiry ON storage_space (next_expiry_at) WHERE next_expiry_at IS NOT NULL');

  await sql.schema.createTable('storage_entry', (table) => {
    table.integer('space_id').notNullable().references('storage_space.id').onDelete('CASCADE');
    table.specificType('key', byBytes).notNullable();
    table.bigInteger('rev').notNullable();
    /** The time by which the last writer wins. */
    table.bigInteger('written_at').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('updated_at').notNullable();
    table.bigInteger('expires_at');
    /** Set: a tombstone, without a value. */
    table.bigInteger('deleted_at');
    /** UTF-8 bytes of key and value: what counts against the quota; 0 for a tombstone. */
    table.bigInteger('bytes').notNullable();
    table.text('content_type');
    /** The key of the ring from which the value's key is derived. */
    table.text('key_id');
    /** Last, so that reading the other columns passes over it. */
    table.binary('value');
    table.primary(['space_id', 'key']);
  });
  await sql.raw('CREATE UNIQUE INDEX storage_entry_feed ON storage_entry (space_id, rev)');
  await sql.raw('CREATE INDEX storage_entry_expiry ON storage_entry (space_id, expires_at) WHERE expires_at IS NOT NULL');
  await sql.raw('CREATE INDEX storage_entry_tombstones ON storage_entry (deleted_at) WHERE deleted_at IS NOT NULL');

  await sql.schema.createTable('storage_mutation', (table) => {
    table.integer('space_id').notNullable().references('storage_space.id').onDelete('CASCADE');
    table.text('mutation_id').notNullable();
    table.bigInteger('seq').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('bytes').notNullable();
    table.text('key_id').notNullable();
    /** The first answer, sealed. */
    table.binary('answer').notNullable();
    table.primary(['space_id', 'mutation_id']);
  });
  await sql.raw('CREATE INDEX storage_mutation_age ON storage_mutation (created_at)');

  /** Keys of the ring with which something here is sealed: without one of them, that can't be read. */
  await sql.schema.createTable('storage_key', (table) => {
    table.text('key_id').primary();
    table.bigInteger('first_used_at').notNullable();
  });
}
