import type { Knex } from 'knex';

/**
 * A wallet service in place of the embedded ledger (`wallet.adapter: remote`): the instructions that it was given, and features
 * whose money may be on its way. The other side of the same, for a process that is such a service: the movements that it carried out.
 */
export async function up(sql: Knex): Promise<void> {
  await createInstructions(sql);
  await createServiceMovements(sql);
  await addToPayments(sql);
  if ((sql.client as { config: { client: unknown } }).config.client === 'pg') await changeOnPostgres(sql);
  else await changeOnSqlite(sql);
  for (const table of ['p2p_transfer', 'payment', 'payment_refund']) await sql.raw(`CREATE UNIQUE INDEX ${table}_service_txn ON ${table} (service_txn_id)`);
}

async function createInstructions(sql: Knex): Promise<void> {
  await sql.schema.createTable('wallet_instruction', (table) => {
    /** Also the key under which the service executes it once. */
    table.text('id').primary();
    table.text('kind').notNullable().checkIn(['transfer', 'hold', 'capture', 'release'], 'wallet_instruction_kind');
    /** The instruction that a capture or release ends. */
    table.text('hold_id').references('wallet_instruction.id');
    /** What it was for, and which transfer, gift or payment. */
    table.text('code').notNullable();
    table.text('ref').notNullable();
    /** As it is sent, JSON; never written again. */
    table.text('terms').notNullable();
    /** 1: the money was set aside before, so that the service may not refuse. */
    table.integer('secured').notNullable();
    table.text('state').notNullable().checkIn(['open', 'done', 'refused'], 'wallet_instruction_state');
    /** The service's name for what moved. */
    table.text('txn_id');
    table.text('error_code');
    table.text('error_message');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('decided_at');
    table.check(`(kind IN ('capture', 'release')) = (hold_id IS NOT NULL)`, [], 'wallet_instruction_ends');
    table.check(`(state = 'open') = (decided_at IS NULL)`, [], 'wallet_instruction_decided');
    table.check(`(state = 'done') = (txn_id IS NOT NULL)`, [], 'wallet_instruction_done');
    table.check(`(state = 'refused') = (error_code IS NOT NULL)`, [], 'wallet_instruction_refused');
    table.check(`NOT (secured = 1 AND state = 'refused')`, [], 'wallet_instruction_secured');
  });
  await sql.raw(`CREATE UNIQUE INDEX wallet_instruction_txn ON wallet_instruction (txn_id) WHERE kind IN ('transfer', 'hold')`);
  // A hold ends once, whoever asks.
  await sql.raw('CREATE UNIQUE INDEX wallet_instruction_hold ON wallet_instruction (hold_id)');
  await sql.raw('CREATE INDEX wallet_instruction_ref ON wallet_instruction (ref)');
  await sql.raw(`CREATE INDEX wallet_instruction_open ON wallet_instruction (created_at) WHERE state = 'open'`);
}

async function createServiceMovements(sql: Knex): Promise<void> {
  await sql.schema.createTable('service_movement', (table) => {
    table.text('key').primary();
    /** Of the terms: another movement under the same key is refused. */
    table.text('terms_hash').notNullable();
    table.text('kind').notNullable();
    table.text('status').notNullable().checkIn(['done', 'refused'], 'service_movement_status');
    table.text('txn_id').references('ledger_transfer.id');
    /** JSON: code, message, details. */
    table.text('refusal');
    table.bigInteger('created_at').notNullable();
    table.check(`(status = 'done') = (txn_id IS NOT NULL) AND (status = 'refused') = (refusal IS NOT NULL)`, [], 'service_movement_outcome');
  });
  await sql.raw('CREATE INDEX service_movement_txn ON service_movement (txn_id)');
}

async function addToPayments(sql: Knex): Promise<void> {
  await sql.schema.alterTable('payment', (table) => {
    /** 1: its money is in the hands of a wallet service, which calls it `service_txn_id`. */
    table.integer('by_service').notNullable().defaultTo(0);
    table.text('service_txn_id');
  });
  // What is on its way back: reserved, and no part of `refunded` yet.
  await sql.raw('ALTER TABLE payment ADD COLUMN refunding bigint NOT NULL DEFAULT 0 CHECK (refunding >= 0)');
}

const transferStates = `'pending_authorization', 'processing', 'pending_recipient_acceptance', 'completed', 'cancelled', 'rejected', 'expired', 'failed'`;
const giftStates = `'pending_authorization', 'processing', 'active', 'partially_opened', 'fully_opened', 'expired', 'failed'`;
const refundStates = `'processing', 'completed', 'failed'`;

async function changeOnPostgres(sql: Knex): Promise<void> {
  const statements = [
    `ALTER TABLE p2p_transfer DROP CONSTRAINT p2p_transfer_status, ADD CONSTRAINT p2p_transfer_status CHECK (status IN (${transferStates})),
       ADD COLUMN by_service integer NOT NULL DEFAULT 0, ADD COLUMN service_txn_id text, ADD COLUMN next_status text, ADD COLUMN error_code text, ADD COLUMN error_message text,
       ADD CONSTRAINT p2p_transfer_next CHECK ((status = 'processing') = (next_status IS NOT NULL)), ADD CONSTRAINT p2p_transfer_failed CHECK ((status = 'failed') = (error_code IS NOT NULL))`,
    `ALTER TABLE gift DROP CONSTRAINT gift_status, ADD CONSTRAINT gift_status CHECK (status IN (${giftStates})), ADD COLUMN error_code text, ADD COLUMN error_message text,
       ADD CONSTRAINT gift_failed CHECK ((status = 'failed') = (error_code IS NOT NULL))`,
    `ALTER TABLE payment_refund ALTER COLUMN txn_id DROP NOT NULL, ADD COLUMN by_service integer NOT NULL DEFAULT 0, ADD COLUMN instruction_id text UNIQUE, ADD COLUMN service_txn_id text,
       ADD COLUMN status text NOT NULL DEFAULT 'completed' CONSTRAINT payment_refund_status CHECK (status IN (${refundStates})), ADD COLUMN error_code text, ADD COLUMN error_message text,
       ADD CONSTRAINT payment_refund_money CHECK ((status = 'completed') = (COALESCE(txn_id, service_txn_id) IS NOT NULL)), ADD CONSTRAINT payment_refund_failed CHECK ((status = 'failed') = (error_code IS NOT NULL))`,
  ];
  for (const statement of statements) await sql.raw(statement);
}

/** SQLite changes no constraints: the tables are made anew, those that refer to others first out of the way. */
async function changeOnSqlite(sql: Knex): Promise<void> {
  await remakeTransfers(sql);
  await remakeGifts(sql);
  await remakeRefunds(sql);
}

const columns = {
  p2p_transfer: 'id, payer, payee, amount, currency, note, room_id, room_encrypted, status, acceptance_required, txn_id, reason, created_at, expires_at, settled_at',
  gift: 'id, giver, type, recipient, room_id, room_encrypted, amount, currency, count, opened, message, status, lifetime_ms, created_at, expires_at',
  gift_share: 'gift_id, n, amount, opened_by, opened_at',
  gift_member: 'gift_id, user_id',
  payment_refund: 'id, payment_id, amount, reason, notes, refunded_by, txn_id, created_at',
} as const;

const copy = (sql: Knex, table: keyof typeof columns) => sql.raw(`INSERT INTO ${table}_new (${columns[table]}) SELECT ${columns[table]} FROM ${table}`);

async function remakeTransfers(sql: Knex): Promise<void> {
  await sql.raw(`CREATE TABLE p2p_transfer_new (
    id text NOT NULL PRIMARY KEY, payer text NOT NULL, payee text NOT NULL, amount bigint NOT NULL, currency text NOT NULL, note text, room_id text, room_encrypted integer NOT NULL,
    status text NOT NULL CONSTRAINT p2p_transfer_status CHECK (status IN (${transferStates})), acceptance_required integer NOT NULL, txn_id text UNIQUE REFERENCES ledger_transfer (id), reason text,
    created_at bigint NOT NULL, expires_at bigint, settled_at bigint, by_service integer NOT NULL DEFAULT 0, service_txn_id text, next_status text, error_code text, error_message text,
    CONSTRAINT p2p_transfer_amount CHECK (amount > 0), CONSTRAINT p2p_transfer_parties CHECK (payer <> payee),
    CONSTRAINT p2p_transfer_next CHECK ((status = 'processing') = (next_status IS NOT NULL)), CONSTRAINT p2p_transfer_failed CHECK ((status = 'failed') = (error_code IS NOT NULL)))`);
  await copy(sql, 'p2p_transfer');
  await sql.raw('DROP TABLE p2p_transfer');
  await sql.raw('ALTER TABLE p2p_transfer_new RENAME TO p2p_transfer');
}

async function remakeGifts(sql: Knex): Promise<void> {
  await sql.raw(`CREATE TABLE gift_new (
    id text NOT NULL PRIMARY KEY, giver text NOT NULL, type text NOT NULL CONSTRAINT gift_type CHECK (type IN ('individual', 'group')), recipient text, room_id text, room_encrypted integer NOT NULL,
    amount bigint NOT NULL, currency text NOT NULL, count integer NOT NULL, opened integer NOT NULL, message text, status text NOT NULL CONSTRAINT gift_status CHECK (status IN (${giftStates})),
    lifetime_ms bigint NOT NULL, created_at bigint NOT NULL, expires_at bigint NOT NULL, error_code text, error_message text,
    CONSTRAINT gift_amount CHECK (amount >= count AND count > 0), CONSTRAINT gift_opened CHECK (opened BETWEEN 0 AND count),
    CONSTRAINT gift_recipient CHECK ((type = 'individual') = (recipient IS NOT NULL)), CONSTRAINT gift_room CHECK (type = 'individual' OR room_id IS NOT NULL),
    CONSTRAINT gift_failed CHECK ((status = 'failed') = (error_code IS NOT NULL)))`);
  await sql.raw(`CREATE TABLE gift_share_new (gift_id text NOT NULL REFERENCES gift_new (id), n integer NOT NULL, amount bigint NOT NULL, opened_by text, opened_at bigint, PRIMARY KEY (gift_id, n), CONSTRAINT gift_share_amount CHECK (amount > 0))`);
  await sql.raw(`CREATE TABLE gift_member_new (gift_id text NOT NULL REFERENCES gift_new (id), user_id text NOT NULL, PRIMARY KEY (gift_id, user_id))`);
  for (const table of ['gift', 'gift_share', 'gift_member'] as const) await copy(sql, table);
  for (const table of ['gift_share', 'gift_member', 'gift']) await sql.raw(`DROP TABLE ${table}`);
  for (const table of ['gift', 'gift_share', 'gift_member']) await sql.raw(`ALTER TABLE ${table}_new RENAME TO ${table}`);
  await sql.raw('CREATE UNIQUE INDEX gift_share_opener ON gift_share (gift_id, opened_by)');
}

async function remakeRefunds(sql: Knex): Promise<void> {
  await sql.raw(`CREATE TABLE payment_refund_new (
    id text NOT NULL PRIMARY KEY, payment_id text NOT NULL REFERENCES payment (id), amount bigint NOT NULL, reason text, notes text, refunded_by text NOT NULL, txn_id text UNIQUE REFERENCES ledger_transfer (id),
    created_at bigint NOT NULL, by_service integer NOT NULL DEFAULT 0, instruction_id text UNIQUE, service_txn_id text, status text NOT NULL DEFAULT 'completed' CONSTRAINT payment_refund_status CHECK (status IN (${refundStates})), error_code text, error_message text,
    CONSTRAINT payment_refund_amount CHECK (amount > 0), CONSTRAINT payment_refund_money CHECK ((status = 'completed') = (COALESCE(txn_id, service_txn_id) IS NOT NULL)),
    CONSTRAINT payment_refund_failed CHECK ((status = 'failed') = (error_code IS NOT NULL)))`);
  await copy(sql, 'payment_refund');
  await sql.raw('DROP TABLE payment_refund');
  await sql.raw('ALTER TABLE payment_refund_new RENAME TO payment_refund');
  await sql.raw('CREATE INDEX payment_refund_payment ON payment_refund (payment_id, created_at)');
}
