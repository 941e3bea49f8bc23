import type { Knex } from 'knex';

/** Versions of mini-apps, the bundles that they consist of, the keys that sign releases, and which version a user's clients have. */
export async function up(sql: Knex): Promise<void> {
  await bundles(sql);
  await versions(sql);
  await sql.schema.createTable('release_key', (table) => {
    table.text('key_id').primary();
    table.text('state').notNullable().checkIn(['current', 'retired'], 'release_key_state');
    table.text('public_jwk').notNullable();
    table.text('private_sealed').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('retired_at');
  });
  await sql.raw(`CREATE UNIQUE INDEX release_key_current ON release_key (state) WHERE state = 'current'`);
  await sql.schema.createTable('applied_update', (table) => {
    table.text('user_id').notNullable();
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    table.bigInteger('version_code').notNullable();
    table.bigInteger('applied_at').notNullable();
    table.primary(['user_id', 'miniapp_id']);
  });
}

async function bundles(sql: Knex): Promise<void> {
  await sql.schema.createTable('bundle', (table) => {
    /** Hex; also the name under which the store has the bytes. */
    table.text('sha256').primary();
    /** Written before the bytes are and confirmed with the version; what stays pending is removed. */
    table.text('state').notNullable().checkIn(['pending', 'stored', 'removing'], 'bundle_state');
    table.bigInteger('size_bytes').notNullable();
    /** JSON: the names of its files. */
    table.text('files').notNullable();
    table.bigInteger('touched_at').notNullable();
  });
  await sql.raw(`CREATE INDEX bundle_unfinished ON bundle (touched_at) WHERE state = 'pending'`);
}

async function versions(sql: Knex): Promise<void> {
  await sql.schema.createTable('miniapp_version', (table) => {
    table.text('version_id').primary();
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    /** Only rises: decision D16. */
    table.bigInteger('version_code').notNullable();
    table.text('version').notNullable();
    table.text('state').notNullable().checkIn(['draft', 'submitted', 'under_review', 'approved', 'released', 'rejected', 'withdrawn', 'revoked'], 'miniapp_version_state');
    table.text('bundle_sha256').references('bundle.sha256');
    /** JSON: what the release changes about the app itself (decision D23). */
    table.text('changes').notNullable();
    table.text('platforms').notNullable();
    table.text('scope_justifications').notNullable();
    table.text('release_notes').notNullable();
    table.boolean('mandatory').notNullable();
    table.integer('rollout_percent').notNullable().checkBetween([0, 100], 'miniapp_version_rollout');
    /** The version whose bytes it publishes again. */
    table.bigInteger('rollback_of');
    table.text('reason');
    table.text('created_by').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('changed_at').notNullable();
    table.bigInteger('released_at');
    table.unique(['miniapp_id', 'version_code']);
    table.unique(['miniapp_id', 'version']);
  });
  await sql.raw('CREATE INDEX miniapp_version_bundle ON miniapp_version (bundle_sha256)');
  await sql.raw('ALTER TABLE miniapp ADD COLUMN version_code bigint NOT NULL DEFAULT 1');
  await sql.raw('ALTER TABLE miniapp ADD COLUMN bundle_sha256 text');
  // Each app that is registered already has what it is as its first version.
  await sql.raw(`INSERT INTO miniapp_version (version_id, miniapp_id, version_code, version, state, changes, platforms, scope_justifications, release_notes, mandatory, rollout_percent, created_by, created_at, changed_at, released_at)
    SELECT 'ver_' || miniapp_id, miniapp_id, 1, version,
      CASE WHEN published_at IS NOT NULL THEN 'released' WHEN status = 'retired' THEN 'withdrawn' ELSE status END,
      '{}', '[]', '{}', '', false, 100, registered_by, created_at, updated_at, published_at FROM miniapp`);
}
