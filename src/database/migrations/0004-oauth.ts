import type { Knex } from 'knex';

/** The authorization server: sessions, what users have granted, keys, and the short-lived entries of oidc-provider. */
export async function up(sql: Knex): Promise<void> {
  await createEntries(sql);
  await createRotations(sql);
  await createSessions(sql);
  await createClientSessions(sql);
  await createBrowserSessions(sql);
  await createConsent(sql);
  await createSpentTokens(sql);
  await createSigningKeys(sql);
}

async function createEntries(sql: Knex): Promise<void> {
  await sql.schema.createTable('oidc_entry', (table) => {
    table.text('kind').notNullable();
    /** SHA-256 of the identifier: whoever reads the table holds no token. */
    table.text('id_hash').notNullable();
    table.text('payload').notNullable();
    table.text('grant_id');
    table.text('user_code_hash');
    table.text('uid_hash');
    table.text('account_id');
    table.text('client_id');
    table.bigInteger('expires_at');
    /** Set once, by compare-and-set: of two who use the same code or refresh token, one wins. */
    table.bigInteger('consumed_at');
    table.primary(['kind', 'id_hash']);
  });
  await sql.raw('CREATE INDEX oidc_entry_grant ON oidc_entry (grant_id) WHERE grant_id IS NOT NULL');
  await sql.raw('CREATE INDEX oidc_entry_expiry ON oidc_entry (expires_at) WHERE expires_at IS NOT NULL');
  await sql.raw('CREATE INDEX oidc_entry_account ON oidc_entry (account_id, client_id) WHERE account_id IS NOT NULL');
  await sql.raw('CREATE UNIQUE INDEX oidc_entry_user_code ON oidc_entry (user_code_hash) WHERE user_code_hash IS NOT NULL');
  await sql.raw('CREATE UNIQUE INDEX oidc_entry_uid ON oidc_entry (uid_hash) WHERE uid_hash IS NOT NULL');
}

async function createRotations(sql: Knex): Promise<void> {
  await sql.schema.createTable('refresh_rotation', (table) => {
    /** SHA-256 of the refresh token that was spent, and of the one that took its place. */
    table.text('token_hash').primary();
    table.text('successor_hash').notNullable().unique();
    table.text('salt').notNullable();
    table.text('request_hash').notNullable();
    table.bigInteger('expires_at').notNullable();
  });
  await sql.raw('CREATE INDEX refresh_rotation_expiry ON refresh_rotation (expires_at)');
}

async function createSessions(sql: Knex): Promise<void> {
  await sql.schema.createTable('wallet_identity', (table) => {
    table.text('user_id').primary();
    table.text('wallet_id').notNullable().unique();
    table.bigInteger('created_at').notNullable();
  });

  await sql.schema.createTable('tep_session', (table) => {
    /** Also the grant id of oidc-provider and the claim `session_id`. */
    table.text('id').primary();
    table.text('user_id').notNullable();
    table.text('client_id').notNullable();
    /** The mini-app's id, or a reserved first-party audience. */
    table.text('audience').notNullable();
    table.text('scopes').notNullable();
    table.text('context');
    table.text('wallet_id').notNullable();
    table.text('origin').notNullable().checkIn(['token_exchange', 'authorization_code', 'device_code'], 'tep_session_origin');
    table.text('proof_method').notNullable().checkIn(['openid', 'whoami', 'mas', 'sign_in'], 'tep_session_proof_method');
    table.bigInteger('proven_at').notNullable();
    table.text('device_id');
    /** Keyed hash of the subject token: the token itself is stored nowhere. */
    table.text('subject_hash');
    table.bigInteger('privileged_until');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('revoked_at');
  });
  await sql.raw('CREATE UNIQUE INDEX tep_session_subject ON tep_session (client_id, subject_hash) WHERE revoked_at IS NULL AND subject_hash IS NOT NULL');
  await sql.raw('CREATE INDEX tep_session_user ON tep_session (user_id, audience) WHERE revoked_at IS NULL');
  await sql.raw('CREATE INDEX tep_session_audience ON tep_session (audience) WHERE revoked_at IS NULL');
  await sql.raw('CREATE INDEX tep_session_expiry ON tep_session (expires_at)');
}

async function createClientSessions(sql: Knex): Promise<void> {
  await sql.schema.createTable('client_session', (table) => {
    /** Also the claim `session_id`. A client's own token has no user: it is no row of tep_session. */
    table.text('id').primary();
    table.text('client_id').notNullable();
    table.text('miniapp_id').notNullable();
    table.text('scopes').notNullable();
    table.bigInteger('privileged_until');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('revoked_at');
  });
  await sql.raw('CREATE INDEX client_session_miniapp ON client_session (miniapp_id) WHERE revoked_at IS NULL');
  await sql.raw('CREATE INDEX client_session_expiry ON client_session (expires_at)');
}

async function createBrowserSessions(sql: Knex): Promise<void> {
  await sql.schema.createTable('browser_session', (table) => {
    /** SHA-256 of the cookie's value. */
    table.text('id_hash').primary();
    table.text('uid_hash').notNullable().unique();
    table.text('user_id');
    table.text('payload').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('last_seen_at').notNullable();
    table.bigInteger('expires_at').notNullable();
  });
  await sql.raw('CREATE INDEX browser_session_user ON browser_session (user_id) WHERE user_id IS NOT NULL');
  await sql.raw('CREATE INDEX browser_session_expiry ON browser_session (expires_at)');
  await sql.schema.createTable('device_poll', (table) => {
    /** SHA-256 of the device code. */
    table.text('code_hash').primary();
    table.bigInteger('last_at').notNullable();
    table.bigInteger('interval_ms').notNullable();
    table.bigInteger('expires_at').notNullable();
  });
  await sql.raw('CREATE INDEX device_poll_expiry ON device_poll (expires_at)');
  await sql.schema.createTable('sign_in_attempt', (table) => {
    table.text('state_hash').primary();
    table.text('browser_hash').notNullable();
    table.text('way').notNullable().checkIn(['mas', 'sso'], 'sign_in_attempt_way');
    table.text('verifier_sealed').notNullable();
    table.text('return_to').notNullable();
    table.bigInteger('expires_at').notNullable();
  });
  await sql.raw('CREATE INDEX sign_in_attempt_expiry ON sign_in_attempt (expires_at)');
}

async function createConsent(sql: Knex): Promise<void> {
  await sql.schema.createTable('scope_grant', (table) => {
    table.text('user_id').notNullable();
    table.text('miniapp_id').notNullable();
    table.text('scope').notNullable();
    table.text('state').notNullable().checkIn(['granted', 'denied', 'revoked'], 'scope_grant_state');
    /** How the user last answered: specification section 5.7, `approval_method`. */
    table.text('method').notNullable();
    table.bigInteger('granted_at');
    table.bigInteger('denied_at');
    table.bigInteger('revoked_at');
    table.primary(['user_id', 'miniapp_id', 'scope']);
  });

  await sql.schema.createTable('consent_request', (table) => {
    table.text('id_hash').primary();
    table.text('state').notNullable().checkIn(['pending', 'answered'], 'consent_request_state');
    table.text('user_id').notNullable();
    table.text('client_id').notNullable();
    table.text('miniapp_id').notNullable();
    table.text('asked_scopes').notNullable();
    table.text('held_scopes').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('answered_at');
  });
  await sql.raw('CREATE INDEX consent_request_expiry ON consent_request (expires_at)');
}

async function createSpentTokens(sql: Knex): Promise<void> {
  await sql.schema.createTable('spent_token', (table) => {
    /** Keyed hash. */
    table.text('token_hash').primary();
    table.bigInteger('expires_at').notNullable();
  });
  await sql.raw('CREATE INDEX spent_token_expiry ON spent_token (expires_at)');
}

async function createSigningKeys(sql: Knex): Promise<void> {
  await sql.schema.createTable('signing_key', (table) => {
    table.text('kid').primary();
    table.text('state').notNullable().checkIn(['next', 'current', 'retired'], 'signing_key_state');
    table.text('public_jwk').notNullable();
    /** PKCS #8, sealed with the key ring. */
    table.text('private_sealed').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('current_since');
    /** When the last token that a retired key can have signed is over. */
    table.bigInteger('expires_at');
  });
  await sql.raw(`CREATE UNIQUE INDEX signing_key_one_current ON signing_key (state) WHERE state = 'current'`);
  await sql.raw(`CREATE UNIQUE INDEX signing_key_one_next ON signing_key (state) WHERE state = 'next'`);
}
