import type { Knex } from 'knex';

/** Users' accounts outside, money that comes in from them and goes out to them (specification sections 6.5 and 6.6). Its own rows are in the ledger. */
export async function up(sql: Knex): Promise<void> {
  await createAccounts(sql);
  await createOrders(sql);
  await createApprovals(sql);
}

async function createAccounts(sql: Knex): Promise<void> {
  await sql.schema.createTable('external_account', (table) => {
    table.text('id').primary();
    table.text('user_id').notNullable();
    /** Whose answer its verification is, and who moves its money. */
    table.text('provider').notNullable();
    table.text('type').notNullable().checkIn(['bank_account', 'card', 'digital_wallet', 'mobile_money'], 'external_account_type');
    table.text('currency').notNullable();
    table.text('label');
    /** All of the account's number that is ever shown; null once its owner was erased. */
    table.text('last_four');
    /** Details, sealed with the key ring; null once they are not needed any more. */
    table.text('sealed');
    /** Keyed hash of the number: the same account is not linked twice. */
    table.text('fingerprint').notNullable();
    table.text('status').notNullable().checkIn(['pending_authorization', 'pending_verification', 'verified', 'failed', 'removed'], 'external_account_status');
    /** Attempts to verify it, each counted before it is judged. */
    table.integer('attempts').notNullable();
    /** When the provider took it on: there is nothing to verify before. */
    table.bigInteger('begun_at');
    table.text('error_code');
    table.bigInteger('created_at').notNullable();
    /** When it expires in the state that it is in; null in those that last. */
    table.bigInteger('expires_at');
    table.bigInteger('verified_at');
    table.bigInteger('ended_at');
    table.check(`(sealed IS NULL) = (status IN ('failed', 'removed'))`, [], 'external_account_sealed');
    table.check(`(ended_at IS NOT NULL) = (status IN ('failed', 'removed'))`, [], 'external_account_ended');
  });
  await sql.raw(`CREATE UNIQUE INDEX external_account_once ON external_account (user_id, fingerprint) WHERE status IN ('pending_authorization', 'pending_verification', 'verified')`);
  await sql.raw('CREATE INDEX external_account_of ON external_account (user_id, created_at)');
}

const fundingStates = ['pending_authorization', 'processing', 'completed', 'failed', 'expired'];
const withdrawalStates = ['pending_authorization', 'pending_approval', 'processing', 'completed', 'failed', 'cancelled', 'expired'];
const listed = (states: readonly string[]): string => states.map((state) => `'${state}'`).join(', ');

async function createOrders(sql: Knex): Promise<void> {
  await sql.schema.createTable('external_order', (table) => {
    table.text('id').primary();
    table.text('kind').notNullable();
    table.text('user_id').notNullable();
    table.text('account_id').notNullable().references('external_account.id');
    table.bigInteger('amount').notNullable();
    table.text('currency').notNullable();
    table.text('note');
    table.text('status').notNullable();
    /** What the ledger booked: of a withdrawal the hold, of a funding the money that came in. */
    table.text('txn_id').unique().references('ledger_transfer.id');
    /** How many administrators have to approve it; 0 where none has to. */
    table.integer('approvals_needed').notNullable();
    /** When its user confirmed it, and when the provider was first asked: then only its answer leads on. */
    table.bigInteger('confirmed_at');
    table.bigInteger('asked_at');
    table.text('provider_reference');
    table.text('error_code');
    table.text('error_message');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at');
    table.bigInteger('ended_at');
    table.check('amount > 0', [], 'external_order_amount');
    table.check(`(kind = 'funding' AND status IN (${listed(fundingStates)})) OR (kind = 'withdrawal' AND status IN (${listed(withdrawalStates)}))`, [], 'external_order_status');
    table.check(`(error_code IS NOT NULL) = (status = 'failed')`, [], 'external_order_failed');
    table.check(`(ended_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled', 'expired'))`, [], 'external_order_ended');
    table.check(`kind = 'withdrawal' OR approvals_needed = 0`, [], 'external_order_approvals');
  });
  await sql.raw('CREATE INDEX external_order_of ON external_order (user_id, kind, created_at, id)');
  await sql.raw('CREATE INDEX external_order_account ON external_order (account_id)');
  await sql.raw(`CREATE INDEX external_order_waiting ON external_order (created_at, id) WHERE status = 'pending_approval'`);
}

/** Four eyes: each administrator counts once. */
async function createApprovals(sql: Knex): Promise<void> {
  await sql.schema.createTable('withdrawal_approval', (table) => {
    table.text('withdrawal_id').notNullable().references('external_order.id');
    table.text('administrator').notNullable();
    table.text('note');
    table.bigInteger('approved_at').notNullable();
    table.primary(['withdrawal_id', 'administrator']);
  });
}
