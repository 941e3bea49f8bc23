import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asUserId, type UserId } from '../kernel/ids.ts';
import { asCurrency } from '../kernel/money.ts';
import type { Approval, Order, Withdrawal } from './types.ts';

interface OrderRow {
  id: string;
  kind: Order['kind'];
  user_id: string;
  account_id: string;
  amount: number;
  currency: string;
  note: string | null;
  status: Order['status'];
  txn_id: string | null;
  approvals_needed: number;
  confirmed_at: number | null;
  asked_at: number | null;
  provider_reference: string | null;
  error_code: string | null;
  error_message: string | null;
  created_at: number;
  expires_at: number | null;
  ended_at: number | null;
}

const fromRow = (row: OrderRow): Order =>
  ({
    id: row.id,
    kind: row.kind,
    userId: asUserId(row.user_id),
    accountId: row.account_id,
    amountMinor: row.amount,
    currency: asCurrency(row.currency),
    note: row.note ?? undefined,
    status: row.status,
    txnId: row.txn_id ?? undefined,
    approvalsNeeded: row.approvals_needed,
    confirmedAt: row.confirmed_at ?? undefined,
    askedAt: row.asked_at ?? undefined,
    providerReference: row.provider_reference ?? undefined,
    error: row.error_code === null ? undefined : { code: row.error_code, message: row.error_message ?? '' },
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
  }) as Order;

export async function insertOrder(tx: Transaction, order: Order): Promise<void> {
  const row: OrderRow = {
    id: order.id,
    kind: order.kind,
    user_id: order.userId,
    account_id: order.accountId,
    amount: order.amountMinor,
    currency: order.currency,
    note: order.note ?? null,
    status: order.status,
    txn_id: order.txnId ?? null,
    approvals_needed: order.kind === 'withdrawal' ? order.approvalsNeeded : 0,
    confirmed_at: order.confirmedAt ?? null,
    asked_at: order.askedAt ?? null,
    provider_reference: order.providerReference ?? null,
    error_code: order.error?.code ?? null,
    error_message: order.error?.message ?? null,
    created_at: order.createdAt,
    expires_at: order.expiresAt ?? null,
    ended_at: order.endedAt ?? null,
  };
  await tx.sql('external_order').insert(row);
}

const ofKind = <Kind extends Order['kind']>(order: Order | undefined, kind: Kind): Extract<Order, { kind: Kind }> | undefined => (order?.kind === kind ? (order as Extract<Order, { kind: Kind }>) : undefined);

export async function findOrder<Kind extends Order['kind']>(db: Queryable, kind: Kind, id: string): Promise<Extract<Order, { kind: Kind }> | undefined> {
  const [row] = await runSql<OrderRow>(db, 'SELECT * FROM external_order WHERE id = ?', [id]);
  return row === undefined ? undefined : ofKind(fromRow(row), kind);
}

/** The order, locked: whoever else wants to change it waits until this transaction ends. */
export async function lockOrder<Kind extends Order['kind']>(tx: Transaction, kind: Kind, id: string): Promise<Extract<Order, { kind: Kind }> | undefined> {
  const [row] = await runSql<OrderRow>(tx, `SELECT * FROM external_order WHERE id = ? ${tx.dialect === 'postgres' ? 'FOR NO KEY UPDATE' : ''}`, [id]);
  return row === undefined ? undefined : ofKind(fromRow(row), kind);
}

/** Writes where the order stands now; its terms are never written again. False when it is not in state `from` any more. */
export async function moveOrder(tx: Transaction, from: Order['status'], order: Order): Promise<boolean> {
  const { id, status, txnId, confirmedAt, askedAt, providerReference, error, expiresAt, endedAt } = order;
  const approvalsNeeded = order.kind === 'withdrawal' ? order.approvalsNeeded : 0;
  const values = [status, txnId ?? null, approvalsNeeded, confirmedAt ?? null, askedAt ?? null, providerReference ?? null, error?.code ?? null, error?.message ?? null, expiresAt ?? null, endedAt ?? null];
  const rows = await runSql(
    tx,
    'UPDATE external_order SET status = ?, txn_id = ?, approvals_needed = ?, confirmed_at = ?, asked_at = ?, provider_reference = ?, error_code = ?, error_message = ?, expires_at = ?, ended_at = ? WHERE id = ? AND status = ? RETURNING id',
    [...values, id, from],
  );
  return rows.length === 1;
}

export interface Page {
  readonly limit: number;
  /** The last one of the page before. */
  readonly before: Order | undefined;
}

async function list<Kind extends Order['kind']>(db: Queryable, kind: Kind, where: Readonly<Record<string, string>>, { limit, before }: Page): Promise<Extract<Order, { kind: Kind }>[]> {
  const query = db
    .sql<OrderRow>('external_order')
    .where({ kind, ...where })
    .orderBy([
      { column: 'created_at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .limit(limit);
  if (before !== undefined) void query.andWhereRaw('(created_at, id) < (?, ?)', [before.createdAt, before.id]);
  return (await query).map((row) => ofKind(fromRow(row), kind)!);
}

/** A user's own, the newest first. */
export const listOrders = <Kind extends Order['kind']>(db: Queryable, kind: Kind, userId: UserId, page: Page): Promise<Extract<Order, { kind: Kind }>[]> => list(db, kind, { user_id: userId }, page);

/** Everybody's that are in a state, the newest first. */
export const listWithdrawalsIn = (db: Queryable, status: Withdrawal['status'], page: Page): Promise<Withdrawal[]> => list(db, 'withdrawal', { status }, page);

/** Whether money is on its way to or from this account. */
export async function isInUse(db: Queryable, accountId: string): Promise<boolean> {
  const rows = await runSql(db, `SELECT id FROM external_order WHERE account_id = ? AND status IN ('pending_approval', 'processing') LIMIT 1`, [accountId]);
  return rows.length > 0;
}

interface ApprovalRow {
  withdrawal_id: string;
  administrator: string;
  note: string | null;
  approved_at: number;
}

export async function listApprovals(db: Queryable, withdrawalId: string): Promise<Approval[]> {
  const rows = await runSql<ApprovalRow>(db, 'SELECT * FROM withdrawal_approval WHERE withdrawal_id = ? ORDER BY approved_at, administrator', [withdrawalId]);
  return rows.map(({ administrator, note, approved_at: approvedAt }) => ({ administrator, note: note ?? undefined, approvedAt }));
}

/** False when this administrator has approved it already. */
export async function insertApproval(tx: Transaction, withdrawalId: string, { administrator, note, approvedAt }: Approval): Promise<boolean> {
  const rows = await runSql(tx, 'INSERT INTO withdrawal_approval (withdrawal_id, administrator, note, approved_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING administrator', [withdrawalId, administrator, note ?? null, approvedAt]);
  return rows.length === 1;
}
