import type { Knex } from 'knex';

/** Developers, how they sign in, their organisations, and what of the registry is whose (specification section 4.4). */
export async function up(sql: Knex): Promise<void> {
  await createDevelopers(sql);
  await createSignIn(sql);
  await createOrganizations(sql);
  await createRoleChanges(sql);
  await addOwners(sql);
}

async function createDevelopers(sql: Knex): Promise<void> {
  await sql.schema.createTable('developer_whitelist', (table) => {
    table.text('user_id').primary();
    /** `removed` remembers a decision: the configuration does not undo an administrator's. */
    table.text('state').notNullable().checkIn(['listed', 'removed'], 'developer_whitelist_state');
    /** `config`, or `admin:` and a name: who said last what the state says, when and why. */
    table.text('changed_by').notNullable();
    table.bigInteger('changed_at').notNullable();
    table.text('reason');
  });
  await sql.schema.createTable('developer', (table) => {
    table.text('user_id').primary();
    table.bigInteger('created_at').notNullable();
  });
}

async function createSignIn(sql: Knex): Promise<void> {
  await sql.schema.createTable('developer_session', (table) => {
    /** One sign-in, until it ends: every token that comes of it names it. */
    table.text('id').primary();
    table.text('user_id').notNullable().references('developer.user_id');
    table.text('client_id').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('revoked_at');
  });
  await sql.raw('CREATE INDEX developer_session_user ON developer_session (user_id) WHERE revoked_at IS NULL');
  await sql.raw('CREATE INDEX developer_session_expiry ON developer_session (expires_at)');

  await sql.schema.createTable('developer_code', (table) => {
    /** SHA-256 of the code. */
    table.text('hash').primary();
    table.text('user_id').notNullable();
    table.text('client_id').notNullable();
    table.text('redirect_uri').notNullable();
    table.text('code_challenge').notNullable();
    table.bigInteger('expires_at').notNullable();
    /** Set once, by compare-and-set, with the session that came of it: a second use ends that session. */
    table.bigInteger('consumed_at');
    table.text('session_id');
  });
  await sql.raw('CREATE INDEX developer_code_expiry ON developer_code (expires_at)');
  await sql.raw('CREATE INDEX developer_code_user ON developer_code (user_id)');

  await sql.schema.createTable('developer_refresh_token', (table) => {
    /** SHA-256 of the token. */
    table.text('hash').primary();
    table.text('session_id').notNullable().references('developer_session.id').onDelete('CASCADE');
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('consumed_at');
  });
  await sql.raw('CREATE INDEX developer_refresh_token_session ON developer_refresh_token (session_id)');
  await sql.raw('CREATE INDEX developer_refresh_token_expiry ON developer_refresh_token (expires_at)');
}

async function createOrganizations(sql: Knex): Promise<void> {
  await sql.schema.createTable('organization', (table) => {
    table.text('org_id').primary();
    table.text('name').notNullable();
    table.text('description').notNullable().defaultTo('');
    table.text('website');
    table.text('contact_email');
    table.text('created_by').notNullable();
    table.bigInteger('created_at').notNullable();
  });
  await sql.schema.createTable('organization_member', (table) => {
    table.text('org_id').notNullable().references('organization.org_id');
    table.text('user_id').notNullable();
    table.text('role').notNullable().checkIn(['admin', 'developer', 'viewer'], 'organization_member_role');
    table.bigInteger('joined_at').notNullable();
    table.primary(['org_id', 'user_id']);
  });
  await sql.raw('CREATE INDEX organization_member_user ON organization_member (user_id)');

  await sql.schema.createTable('organization_invitation', (table) => {
    table.text('id').primary();
    table.text('org_id').notNullable().references('organization.org_id');
    table.text('user_id').notNullable();
    table.text('role').notNullable().checkIn(['admin', 'developer', 'viewer'], 'organization_invitation_role');
    table.text('invited_by').notNullable();
    table.bigInteger('invited_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    /** `withdrawn`: a later invitation took its place. */
    table.text('state').notNullable().checkIn(['pending', 'accepted', 'withdrawn'], 'organization_invitation_state');
    table.bigInteger('answered_at');
  });
  await sql.raw(`CREATE UNIQUE INDEX organization_invitation_one_pending ON organization_invitation (org_id, user_id) WHERE state = 'pending'`);
}

/** Written and never changed: the databases refuse it, not only our own code. */
async function createRoleChanges(sql: Knex): Promise<void> {
  await sql.schema.createTable('role_change', (table) => {
    table.text('id').primary();
    table.text('org_id').notNullable();
    table.text('actor').notNullable();
    table.text('subject').notNullable();
    /** Null: no member before, or none afterwards. */
    table.text('from_role');
    table.text('to_role');
    table.text('cause').notNullable().checkIn(['founded', 'invited', 'assigned', 'removed', 'left'], 'role_change_cause');
    table.bigInteger('changed_at').notNullable();
    table.text('request_id').notNullable();
  });
  await sql.raw('CREATE INDEX role_change_organization ON role_change (org_id, changed_at)');
  await sql.raw('CREATE INDEX role_change_subject ON role_change (subject)');
  if ((sql.client as { config: { client: unknown } }).config.client === 'pg') {
    await sql.raw(`CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$`);
    await sql.raw('CREATE TRIGGER role_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON role_change FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()');
    return;
  }
  for (const verb of ['UPDATE', 'DELETE']) {
    await sql.raw(`CREATE TRIGGER role_change_no_${verb.toLowerCase()} BEFORE ${verb} ON role_change BEGIN SELECT RAISE(ABORT, 'role_change is append-only'); END`);
  }
}

/** A mini-app is a developer's, an organisation's, or nobody's: registered by an administrator or by the manifest. */
async function addOwners(sql: Knex): Promise<void> {
  await sql.raw('ALTER TABLE miniapp ADD COLUMN owner_user_id text');
  await sql.raw('ALTER TABLE miniapp ADD COLUMN owner_org_id text REFERENCES organization (org_id) CHECK (owner_org_id IS NULL OR owner_user_id IS NULL)');
  await sql.raw('CREATE INDEX miniapp_owner_user ON miniapp (owner_user_id) WHERE owner_user_id IS NOT NULL');
  await sql.raw('CREATE INDEX miniapp_owner_org ON miniapp (owner_org_id) WHERE owner_org_id IS NOT NULL');
}
