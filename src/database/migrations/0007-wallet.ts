import type { Knex } from 'knex';

/** The embedded ledger, the wallets in front of it, and the keys of requests that must have their effect once (specification sections 6 and 7, decision D5). */
export async function up(sql: Knex): Promise<void> {
  await createWallets(sql);
  await createAccounts(sql);
  await createTransfers(sql);
  await refuseChanges(sql);
  await createLimits(sql);
  await createHistory(sql);
  await createIdempotencyKeys(sql);
}

/** Amounts are read as JavaScript numbers: none may leave their exact range. */
const maxMinor = '9007199254740991';

async function createWallets(sql: Knex): Promise<void> {
  await sql.schema.createTable('wallet', (table) => {
    table.text('user_id').primary();
    table.text('wallet_id').notNullable().unique();
    /** What the wallet is shown in first; it may hold others. */
    table.text('currency').notNullable();
    /** Verification level; 0 until the account is activated. */
    table.integer('level').notNullable();
    /** The user's own, lower daily limit, in minor units of `currency`. */
    table.bigInteger('daily_limit_minor');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('activated_at');
    table.text('terms_version');
    /** An administrator froze it: nothing goes out, and nobody can start to send to it. */
    table.bigInteger('frozen_at');
    table.text('frozen_reason');
    table.check('(activated_at IS NULL) = (level = 0)', [], 'wallet_level');
  });
}

async function createAccounts(sql: Knex): Promise<void> {
  await sql.schema.createTable('ledger_account', (table) => {
    table.text('id').primary();
    table.text('kind').notNullable().checkIn(['wallet', 'merchant', 'gift_escrow', 'equity', 'fees', 'external'], 'ledger_account_kind');
    /** The user, mini-app or gift that it belongs to; empty for the server's own. */
    table.text('owner').notNullable();
    table.text('currency').notNullable();
    table.bigInteger('dr_posted').notNullable().defaultTo(0);
    table.bigInteger('cr_posted').notNullable().defaultTo(0);
    table.bigInteger('dr_pending').notNullable().defaultTo(0);
    table.bigInteger('cr_pending').notNullable().defaultTo(0);
    /** 1 for accounts whose other side is outside these books. */
    table.integer('may_overdraw').notNullable();
    table.bigInteger('created_at').notNullable();
    table.unique(['kind', 'owner', 'currency'], { indexName: 'ledger_account_owner' });
    table.unique(['id', 'currency'], { indexName: 'ledger_account_currency' });
    table.check('may_overdraw = 1 OR cr_posted - dr_posted - dr_pending >= 0', [], 'ledger_account_covered');
    table.check('dr_posted >= 0 AND cr_posted >= 0 AND dr_pending >= 0 AND cr_pending >= 0', [], 'ledger_account_sides');
    table.check(`dr_posted <= ${maxMinor} AND cr_posted <= ${maxMinor} AND dr_pending <= ${maxMinor} AND cr_pending <= ${maxMinor}`, [], 'ledger_account_exact');
  });
  await sql.raw('CREATE INDEX ledger_account_of ON ledger_account (owner)');
}

async function createTransfers(sql: Knex): Promise<void> {
  await sql.schema.createTable('ledger_transfer', (table) => {
    table.text('id').primary();
    table.text('kind').notNullable().checkIn(['single', 'pending', 'post', 'void'], 'ledger_transfer_kind');
    /** The hold that a post or a void ends. Unique: a hold ends once. */
    table.text('pending_id').unique();
    table.text('debit').notNullable();
    table.text('credit').notNullable();
    table.text('currency').notNullable();
    table.bigInteger('amount').notNullable();
    /** What it was for, and which transfer, gift or payment. */
    table.text('code').notNullable();
    table.text('ref').notNullable();
    /** 1 when it counts towards the limits of the wallet that is debited. */
    table.integer('limited').notNullable();
    table.bigInteger('created_at').notNullable();
    table.check(`amount > 0 AND amount <= ${maxMinor}`, [], 'ledger_transfer_amount');
    table.check('debit <> credit', [], 'ledger_transfer_sides');
    table.check(`(kind IN ('post', 'void')) = (pending_id IS NOT NULL)`, [], 'ledger_transfer_ends');
    table.unique(['id', 'debit', 'credit', 'currency', 'amount', 'limited'], { indexName: 'ledger_transfer_terms' });
    // Both sides in one currency, and the end of a hold on the very terms of the hold.
    table.foreign(['debit', 'currency']).references(['id', 'currency']).inTable('ledger_account');
    table.foreign(['credit', 'currency']).references(['id', 'currency']).inTable('ledger_account');
    table.foreign(['pending_id', 'debit', 'credit', 'currency', 'amount', 'limited']).references(['id', 'debit', 'credit', 'currency', 'amount', 'limited']).inTable('ledger_transfer');
  });
  await sql.raw('CREATE INDEX ledger_transfer_ref ON ledger_transfer (ref)');
  await sql.raw('CREATE INDEX ledger_transfer_debit ON ledger_transfer (debit)');
  await sql.raw('CREATE INDEX ledger_transfer_credit ON ledger_transfer (credit)');
}

/** What was booked stays booked: the database refuses changes, not only our own code. */
async function refuseChanges(sql: Knex): Promise<void> {
  if ((sql.client as { config: { client: unknown } }).config.client === 'pg') {
    await sql.raw(`CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$`);
    await sql.raw('CREATE TRIGGER ledger_transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfer FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()');
    await sql.raw('CREATE TRIGGER ledger_account_kept BEFORE DELETE OR TRUNCATE ON ledger_account FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()');
    return;
  }
  for (const verb of ['UPDATE', 'DELETE']) {
    await sql.raw(`CREATE TRIGGER ledger_transfer_no_${verb.toLowerCase()} BEFORE ${verb} ON ledger_transfer BEGIN SELECT RAISE(ABORT, 'ledger_transfer is append-only'); END`);
  }
  await sql.raw(`CREATE TRIGGER ledger_account_no_delete BEFORE DELETE ON ledger_account BEGIN SELECT RAISE(ABORT, 'ledger_account is append-only'); END`);
}

async function createLimits(sql: Knex): Promise<void> {
  await sql.schema.createTable('limit_usage', (table) => {
    table.text('user_id').notNullable();
    table.text('currency').notNullable();
    table.text('period').notNullable().checkIn(['day', 'month'], 'limit_usage_period');
    /** Start of the day or month in UTC. */
    table.bigInteger('starts_at').notNullable();
    table.bigInteger('used').notNullable();
    /** Held, and neither spent nor given back yet. */
    table.bigInteger('reserved').notNullable();
    table.primary(['user_id', 'currency', 'period', 'starts_at']);
    table.check('used >= 0 AND reserved >= 0', [], 'limit_usage_positive');
  });
}

/** What a user sees of their own movements; one row for each user that a transfer concerns. */
async function createHistory(sql: Knex): Promise<void> {
  await sql.schema.createTable('wallet_history', (table) => {
    table.text('user_id').notNullable();
    table.text('txn_id').notNullable().references('ledger_transfer.id');
    table.text('type').notNullable();
    table.bigInteger('amount').notNullable();
    table.text('currency').notNullable();
    table.text('from_user');
    table.text('to_user');
    table.text('status').notNullable().checkIn(['pending', 'completed', 'cancelled', 'rejected', 'expired'], 'wallet_history_status');
    table.text('ref').notNullable();
    table.text('note');
    table.text('room_id');
    table.bigInteger('created_at').notNullable();
    table.primary(['user_id', 'txn_id']);
  });
  await sql.raw('CREATE INDEX wallet_history_order ON wallet_history (user_id, created_at, txn_id)');
  await sql.raw('CREATE INDEX wallet_history_txn ON wallet_history (txn_id)');
}

async function createIdempotencyKeys(sql: Knex): Promise<void> {
  await sql.schema.createTable('idempotency_key', (table) => {
    table.text('user_id').notNullable();
    table.text('client_id').notNullable();
    table.text('operation').notNullable();
    table.text('key').notNullable();
    /** Of the request without its credentials (decision D24). */
    table.text('request_hash').notNullable();
    table.integer('status').notNullable();
    /** The answer, byte for byte. */
    table.text('body').notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['user_id', 'client_id', 'operation', 'key']);
  });
  await sql.raw('CREATE INDEX idempotency_key_age ON idempotency_key (created_at)');
}
