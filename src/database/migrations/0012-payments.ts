import type { Knex } from 'knex';

/** Payments to mini-apps and what went back of them. Their money is in the ledger (specification section 7.3 and 7.4, decision D8). */
export async function up(sql: Knex): Promise<void> {
  await createPayments(sql);
  await createRefunds(sql);
  await sql.schema.alterTable('webhook_delivery', (table) => {
    /** Where it goes when that is not the mini-app's registered address: a payment's `callback_url`. */
    table.text('url');
  });
  await sql.schema.createTable('miniapp_bot', (table) => {
    table.text('miniapp_id').primary().references('miniapp.miniapp_id');
    /** A Matrix user whose own access token was shown when it was registered (decision D11). */
    table.text('user_id').notNullable().unique();
    table.text('registered_by').notNullable();
    table.bigInteger('registered_at').notNullable();
  });
}

const states = ['pending_authorization', 'mfa_required', 'authorized', 'processing', 'completed', 'partially_refunded', 'refunded', 'cancelled', 'expired', 'failed'];

async function createPayments(sql: Knex): Promise<void> {
  await sql.schema.createTable('payment', (table) => {
    table.text('id').primary();
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    /** As it was when the payment was asked for: what the user saw. */
    table.text('merchant_name').notNullable();
    table.text('payer').notNullable();
    table.bigInteger('amount').notNullable();
    table.text('currency').notNullable();
    table.text('description');
    table.text('merchant_order_id');
    /** JSON; amounts in minor units. */
    table.text('items').notNullable();
    table.text('callback_url');
    table.text('room_id');
    /** 1 when the room was encrypted: its events carry no amounts (decision D18). */
    table.integer('room_encrypted').notNullable();
    /** 1 before the app was approved: no real money moves (decision D23). */
    table.integer('sandbox').notNullable();
    table.text('status').notNullable().checkIn(states, 'payment_status');
    /** A device that was too new to confirm alone what it had signed. */
    table.text('excluded_device');
    /** What the ledger booked: the transfer itself, or a hold while a wallet has not answered. */
    table.text('txn_id').unique().references('ledger_transfer.id');
    table.bigInteger('refunded').notNullable();
    table.text('error_code');
    table.text('error_message');
    table.bigInteger('created_at').notNullable();
    /** When it expires unless it was authorized. */
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('completed_at');
    /** When it ended without money. */
    table.bigInteger('ended_at');
    table.check('amount > 0', [], 'payment_amount');
    table.check('refunded BETWEEN 0 AND amount', [], 'payment_refunded');
    table.check(`(status = 'refunded') = (refunded = amount)`, [], 'payment_all_refunded');
    table.check(`(status IN ('partially_refunded', 'refunded')) = (refunded > 0)`, [], 'payment_some_refunded');
    table.check(`(completed_at IS NOT NULL) = (status IN ('completed', 'partially_refunded', 'refunded'))`, [], 'payment_completed');
    table.check(`(error_code IS NOT NULL) = (status = 'failed')`, [], 'payment_failed');
  });
  await sql.raw('CREATE INDEX payment_merchant ON payment (miniapp_id, created_at, id)');
  await sql.raw('CREATE INDEX payment_merchant_order ON payment (miniapp_id, merchant_order_id) WHERE merchant_order_id IS NOT NULL');
  await sql.raw('CREATE INDEX payment_payer ON payment (payer, miniapp_id)');
}

async function createRefunds(sql: Knex): Promise<void> {
  await sql.schema.createTable('payment_refund', (table) => {
    table.text('id').primary();
    table.text('payment_id').notNullable().references('payment.id');
    table.bigInteger('amount').notNullable();
    table.text('reason');
    table.text('notes');
    /** A client, or an administrator. */
    table.text('refunded_by').notNullable();
    table.text('txn_id').notNullable().unique().references('ledger_transfer.id');
    table.bigInteger('created_at').notNullable();
    table.check('amount > 0', [], 'payment_refund_amount');
  });
  await sql.raw('CREATE INDEX payment_refund_payment ON payment_refund (payment_id, created_at)');
}
