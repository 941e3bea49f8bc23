import type { Knex } from 'knex';

/** Factors, what was tried with them, and what was proven (specification section 7.6; decisions D6, D7, D20, D24). */
export async function up(sql: Knex): Promise<void> {
  await createUsers(sql);
  await createFactors(sql);
  await createDevices(sql);
  await createPasskeys(sql);
  await createChallenges(sql);
}

async function createUsers(sql: Knex): Promise<void> {
  await sql.schema.createTable('mfa_user', (table) => {
    /** Locked by whoever changes this user's factors. */
    table.text('user_id').primary();
    /** A factor was changed: until then the wallet's limits are lower (decision D20). */
    table.bigInteger('limits_lowered_until').notNullable();
  });
  await sql.schema.createTable('mfa_attempt', (table) => {
    table.text('user_id').notNullable();
    table.text('factor').notNullable().checkIn(['pin', 'totp', 'biometric'], 'mfa_attempt_factor');
    /** Since that factor's last success; an attempt counts from before it is judged. */
    table.bigInteger('failures').notNullable();
    table.bigInteger('locked_until').notNullable();
    table.primary(['user_id', 'factor']);
  });
}

async function createFactors(sql: Knex): Promise<void> {
  await sql.schema.createTable('mfa_pin', (table) => {
    table.text('user_id').primary();
    /** argon2id, with its salt, over the PIN's keyed digest. */
    table.text('hash').notNullable();
    table.bigInteger('set_at').notNullable();
  });
  await sql.schema.createTable('mfa_pin_reset', (table) => {
    table.text('id').primary();
    table.text('user_id').notNullable();
    table.text('hash').notNullable();
    table.text('state').notNullable().checkIn(['pending', 'done', 'cancelled'], 'mfa_pin_reset_state');
    table.bigInteger('requested_at').notNullable();
    table.bigInteger('effective_at').notNullable();
    table.bigInteger('settled_at');
  });
  await sql.raw(`CREATE UNIQUE INDEX mfa_pin_reset_one_pending ON mfa_pin_reset (user_id) WHERE state = 'pending'`);
  await sql.schema.createTable('mfa_totp', (table) => {
    table.text('user_id').notNullable();
    table.text('state').notNullable().checkIn(['pending', 'active'], 'mfa_totp_state');
    table.text('id').notNullable().unique();
    table.text('secret_sealed').notNullable();
    /** The time step of the last code that was spent: it and all before it are worth nothing. */
    table.bigInteger('last_step');
    /** What allowed the enrolment: it must still hold when that is confirmed. */
    table.text('allowed_by').notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['user_id', 'state']);
  });
  await sql.schema.createTable('mfa_recovery_code', (table) => {
    table.text('user_id').notNullable();
    /** Keyed hash. */
    table.text('code_hash').notNullable();
    table.bigInteger('used_at');
    table.primary(['user_id', 'code_hash']);
  });
}

async function createDevices(sql: Knex): Promise<void> {
  await sql.schema.createTable('mfa_device', (table) => {
    table.text('user_id').notNullable();
    table.text('device_id').notNullable();
    table.text('name').notNullable();
    table.text('platform');
    table.text('algorithm').notNullable().checkIn(['ES256', 'RS256'], 'mfa_device_algorithm');
    /** SubjectPublicKeyInfo as base64 of its DER form, and its SHA-256. */
    table.text('public_key').notNullable();
    table.text('key_hash').notNullable();
    table.text('capabilities').notNullable();
    table.bigInteger('registered_at').notNullable();
    table.primary(['user_id', 'device_id']);
  });
  await sql.schema.createTable('mfa_spent_signature', (table) => {
    /** Of key and signed text, not of the signature's bytes: those can be written in more than one way. */
    table.text('hash').primary();
    table.bigInteger('expires_at').notNullable();
  });
  await sql.raw('CREATE INDEX mfa_spent_signature_expiry ON mfa_spent_signature (expires_at)');
}

async function createPasskeys(sql: Knex): Promise<void> {
  await sql.schema.createTable('mfa_passkey', (table) => {
    table.text('credential_id').primary();
    table.text('user_id').notNullable();
    table.text('name').notNullable();
    table.text('public_key').notNullable();
    table.bigInteger('counter').notNullable();
    table.text('transports').notNullable();
    table.bigInteger('registered_at').notNullable();
  });
  await sql.raw('CREATE INDEX mfa_passkey_user ON mfa_passkey (user_id)');
  await sql.schema.createTable('mfa_ceremony', (table) => {
    /** The WebAuthn challenge itself, which is no secret. */
    table.text('challenge').primary();
    table.text('user_id').notNullable();
    table.text('kind').notNullable().checkIn(['register', 'authenticate'], 'mfa_ceremony_kind');
    /** What the challenge is the hash of, without its random part. */
    table.text('bound_to').notNullable();
    /** Of a registration: what allowed it. */
    table.text('allowed_by');
    /** Set when it was answered well, for a proof that is presented elsewhere: SHA-256 of it. */
    table.text('proof_hash').unique();
    table.bigInteger('expires_at').notNullable();
  });
  await sql.raw('CREATE INDEX mfa_ceremony_expiry ON mfa_ceremony (expires_at)');
}

async function createChallenges(sql: Knex): Promise<void> {
  await sql.schema.createTable('mfa_challenge', (table) => {
    table.text('id').primary();
    table.text('user_id').notNullable();
    /** The payment or other thing that waits for the proof, with its terms as they were frozen. */
    table.text('subject').notNullable();
    table.text('terms').notNullable();
    table.text('methods').notNullable();
    /** A device that was registered too recently to count here. */
    table.text('excluded_device');
    table.text('state').notNullable().checkIn(['open', 'verified'], 'mfa_challenge_state');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
  });
  await sql.raw('CREATE INDEX mfa_challenge_subject ON mfa_challenge (subject)');
  await sql.raw('CREATE INDEX mfa_challenge_expiry ON mfa_challenge (expires_at)');
}
