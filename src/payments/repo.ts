import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asMiniAppId, asRoomId, asUserId, type MiniAppId, type UserId } from '../kernel/ids.ts';
import { asCurrency } from '../kernel/money.ts';
import type { PaymentStatus } from './machine.ts';
import type { Item, Payment } from './types.ts';

interface PaymentRow {
  id: string;
  miniapp_id: string;
  merchant_name: string;
  payer: string;
  amount: number;
  currency: string;
  description: string | null;
  merchant_order_id: string | null;
  items: string;
  callback_url: string | null;
  room_id: string | null;
  room_encrypted: number;
  sandbox: number;
  status: PaymentStatus;
  excluded_device: string | null;
  txn_id: string | null;
  by_service: number;
  service_txn_id: string | null;
  refunded: number;
  refunding: number;
  error_code: string | null;
  error_message: string | null;
  created_at: number;
  expires_at: number;
  completed_at: number | null;
  ended_at: number | null;
}

const fromRow = (row: PaymentRow): Payment => ({
  id: row.id,
  miniappId: asMiniAppId(row.miniapp_id),
  merchantName: row.merchant_name,
  payer: asUserId(row.payer),
  amountMinor: row.amount,
  currency: asCurrency(row.currency),
  description: row.description ?? undefined,
  merchantOrderId: row.merchant_order_id ?? undefined,
  items: JSON.parse(row.items) as Item[],
  callbackUrl: row.callback_url ?? undefined,
  roomId: row.room_id === null ? undefined : asRoomId(row.room_id),
  roomEncrypted: row.room_encrypted === 1,
  sandbox: row.sandbox === 1,
  status: row.status,
  excludedDevice: row.excluded_device ?? undefined,
  txnId: row.txn_id ?? row.service_txn_id ?? undefined,
  byService: row.by_service === 1,
  refundedMinor: row.refunded,
  refundingMinor: row.refunding,
  error: row.error_code === null ? undefined : { code: row.error_code, message: row.error_message ?? '' },
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  completedAt: row.completed_at ?? undefined,
  endedAt: row.ended_at ?? undefined,
});

/** What changes in the life of a payment. */
const stateOf = ({ status, excludedDevice, txnId, byService, refundedMinor, refundingMinor, error, completedAt, endedAt }: Payment) => ({
  status,
  excluded_device: excludedDevice ?? null,
  txn_id: byService ? null : (txnId ?? null),
  by_service: byService ? 1 : 0,
  service_txn_id: byService ? (txnId ?? null) : null,
  refunded: refundedMinor,
  refunding: refundingMinor,
  error_code: error?.code ?? null,
  error_message: error?.message ?? null,
  completed_at: completedAt ?? null,
  ended_at: endedAt ?? null,
});

const rowOf = (payment: Payment): PaymentRow => ({
  id: payment.id,
  miniapp_id: payment.miniappId,
  merchant_name: payment.merchantName,
  payer: payment.payer,
  amount: payment.amountMinor,
  currency: payment.currency,
  description: payment.description ?? null,
  merchant_order_id: payment.merchantOrderId ?? null,
  items: JSON.stringify(payment.items),
  callback_url: payment.callbackUrl ?? null,
  room_id: payment.roomId ?? null,
  room_encrypted: payment.roomEncrypted ? 1 : 0,
  sandbox: payment.sandbox ? 1 : 0,
  created_at: payment.createdAt,
  expires_at: payment.expiresAt,
  ...stateOf(payment),
});

export async function insertPayment(tx: Transaction, payment: Payment): Promise<void> {
  const row = rowOf(payment);
  await runSql(tx, `INSERT INTO payment (${Object.keys(row).join(', ')}) VALUES (${Object.keys(row).map(() => '?').join(', ')})`, Object.values(row) as (string | number | null)[]);
}

export async function findPayment(db: Queryable, id: string): Promise<Payment | undefined> {
  const [row] = await runSql<PaymentRow>(db, 'SELECT * FROM payment WHERE id = ?', [id]);
  return row === undefined ? undefined : fromRow(row);
}

/** The payment, locked: whoever else wants to change it waits until this transaction ends. */
export async function lockPayment(tx: Transaction, id: string): Promise<Payment | undefined> {
  const [row] = await runSql<PaymentRow>(tx, `SELECT * FROM payment WHERE id = ? ${tx.dialect === 'postgres' ? 'FOR NO KEY UPDATE' : ''}`, [id]);
  return row === undefined ? undefined : fromRow(row);
}

/**
 * Writes where the payment stands now; its terms are never written again, nor what is as it was: each column that is named costs its indexes.
 * False when it is not as it was `before` any more.
 */
export async function movePayment(tx: Transaction, before: Payment, payment: Payment): Promise<boolean> {
  const [was, state] = [stateOf(before), stateOf(payment)];
  const changed = (Object.keys(state) as (keyof typeof state)[]).filter((column) => column === 'status' || state[column] !== was[column]);
  const rows = await runSql(tx, `UPDATE payment SET ${changed.map((column) => `${column} = ?`).join(', ')} WHERE id = ? AND status = ? AND refunded = ? AND refunding = ? RETURNING id`, [...changed.map((column) => state[column]), payment.id, before.status, before.refundedMinor, before.refundingMinor]);
  return rows.length === 1;
}

/** Whether this user ever paid this mini-app; play money apart from real money. */
export async function hasPaid(db: Queryable, { payer, miniappId, sandbox }: Pick<Payment, 'payer' | 'miniappId' | 'sandbox'>): Promise<boolean> {
  const rows = await runSql(db, 'SELECT 1 AS paid FROM payment WHERE payer = ? AND miniapp_id = ? AND sandbox = ? AND completed_at IS NOT NULL LIMIT 1', [payer, miniappId, sandbox ? 1 : 0]);
  return rows.length > 0;
}

export interface PaymentFilter {
  readonly status?: PaymentStatus | undefined;
  readonly merchantOrderId?: string | undefined;
  readonly payer?: UserId | undefined;
  /** The last one of the page before. */
  readonly before?: Payment | undefined;
  readonly limit: number;
}

/** A mini-app's payments, the newest first. */
export async function listPayments(db: Queryable, miniappId: MiniAppId, { status, merchantOrderId, payer, before, limit }: PaymentFilter): Promise<Payment[]> {
  const conditions: readonly (readonly [string, readonly (string | number)[]])[] = [
    ['miniapp_id = ?', [miniappId]],
    ...(status === undefined ? [] : [['status = ?', [status]] as const]),
    ...(merchantOrderId === undefined ? [] : [['merchant_order_id = ?', [merchantOrderId]] as const]),
    ...(payer === undefined ? [] : [['payer = ?', [payer]] as const]),
    ...(before === undefined ? [] : [['(created_at, id) < (?, ?)', [before.createdAt, before.id]] as const]),
  ];
  const where = conditions.map(([condition]) => condition).join(' AND ');
  const rows = await runSql<PaymentRow>(db, `SELECT * FROM payment WHERE ${where} ORDER BY created_at DESC, id DESC LIMIT ?`, [...conditions.flatMap(([, values]) => values), limit]);
  return rows.map(fromRow);
}
