import type { Knex } from 'knex';

/** The registry of mini-apps with their OAuth clients, what users installed and launched, and administrators' tokens. */
export async function up(sql: Knex): Promise<void> {
  await registry(sql);
  await clients(sql);
  await usage(sql);
  await sql.schema.createTable('admin_token', (table) => {
    table.text('hash').primary();
    table.text('name').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('revoked_at');
  });
}

async function registry(sql: Knex): Promise<void> {
  await sql.schema.createTable('miniapp', (table) => {
    table.text('miniapp_id').primary();
    table.text('name').notNullable();
    table.text('short_name');
    table.text('description').notNullable().defaultTo('');
    table.text('category').notNullable();
    table.text('classification').notNullable().checkIn(['official', 'verified', 'community', 'beta'], 'miniapp_classification');
    table.text('status').notNullable().checkIn(['draft', 'submitted', 'under_review', 'approved', 'active', 'rejected', 'suspended', 'retired'], 'miniapp_status');
    table.text('client_type').notNullable().checkIn(['public', 'confidential', 'hybrid'], 'miniapp_client_type');
    table.text('version').notNullable();
    table.text('entry_point').notNullable();
    table.text('redirect_uris').notNullable();
    table.text('webhook_url');
    table.text('webhook_secret');
    table.text('scopes').notNullable();
    table.text('icon_url');
    table.text('developer').notNullable();
    table.text('branding').notNullable();
    table.text('marketing').notNullable();
    table.text('install_mode').notNullable().checkIn(['mandatory', 'default', 'optional'], 'miniapp_install_mode');
    table.integer('display_order').notNullable().defaultTo(0);
    table.text('status_reason');
    table.bigInteger('install_count').notNullable().defaultTo(0);
    table.text('registered_by').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('updated_at').notNullable();
    table.bigInteger('published_at');
  });
  await sql.raw(`CREATE INDEX miniapp_popular ON miniapp (install_count DESC, miniapp_id) WHERE status = 'active'`);
  await sql.raw(`CREATE INDEX miniapp_recent ON miniapp (published_at DESC, miniapp_id) WHERE status = 'active'`);
  await sql.raw(`CREATE INDEX miniapp_name ON miniapp (name, miniapp_id) WHERE status = 'active'`);
  await sql.raw(`CREATE INDEX miniapp_preinstalled ON miniapp (install_mode) WHERE install_mode <> 'optional'`);
}

async function clients(sql: Knex): Promise<void> {
  await sql.schema.createTable('oauth_client', (table) => {
    table.text('client_id').primary();
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    table.text('kind').notNullable().checkIn(['public', 'confidential'], 'oauth_client_kind');
    table.bigInteger('created_at').notNullable();
  });
  await sql.raw('CREATE INDEX oauth_client_miniapp ON oauth_client (miniapp_id)');
  await sql.schema.createTable('client_secret', (table) => {
    /** SHA-256 of a secret with 256 random bits. */
    table.text('hash').primary();
    table.text('client_id').notNullable().references('oauth_client.client_id');
    table.bigInteger('created_at').notNullable();
    /** Null while it is the current one; a rotated secret works until this time. */
    table.bigInteger('expires_at');
  });
  await sql.raw('CREATE INDEX client_secret_client ON client_secret (client_id)');
}

async function usage(sql: Knex): Promise<void> {
  await sql.schema.createTable('installation', (table) => {
    table.text('user_id').notNullable();
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    table.text('install_id').notNullable();
    /** `removed` remembers that the user does not want an app that is there by default. */
    table.text('state').notNullable().checkIn(['installed', 'removed'], 'installation_state');
    table.text('version').notNullable();
    table.text('room_id');
    table.bigInteger('changed_at').notNullable();
    table.primary(['user_id', 'miniapp_id']);
  });
  await sql.raw('CREATE INDEX installation_miniapp ON installation (miniapp_id, state)');

  await sql.schema.createTable('launch_session', (table) => {
    table.text('session_id').primary();
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    table.text('user_id').notNullable();
    table.text('room_id');
    table.text('source').notNullable();
    table.text('launch_params').notNullable();
    /** The Matrix event that asked for it. */
    table.text('event_id').unique();
    table.bigInteger('launched_at').notNullable();
  });
  await sql.raw('CREATE INDEX launch_session_room ON launch_session (room_id, miniapp_id, launched_at)');
  await sql.raw('CREATE INDEX launch_session_user ON launch_session (user_id, miniapp_id, launched_at)');
}
