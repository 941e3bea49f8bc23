import { insertRows, type Queryable, type Transaction } from '../database/index.ts';
import { asUserId, type RoomId, type UserId } from '../kernel/ids.ts';
import { asCurrency, type Money } from '../kernel/money.ts';
import type { ReleaseOutcome } from './port.ts';

export type HistoryStatus = 'pending' | 'completed' | ReleaseOutcome;

/** One movement as one user sees it. */
export interface HistoryEntry extends Money {
  readonly userId: UserId;
  readonly txnId: string;
  /** `p2p_sent`, `gift_received`, … */
  readonly type: string;
  readonly from: UserId | undefined;
  readonly to: UserId | undefined;
  readonly status: HistoryStatus;
  readonly ref: string;
  readonly note: string | undefined;
  readonly roomId: string | undefined;
  readonly createdAt: number;
}

interface HistoryRow {
  user_id: string;
  txn_id: string;
  type: string;
  amount: number;
  currency: string;
  from_user: string | null;
  to_user: string | null;
  status: HistoryStatus;
  ref: string;
  note: string | null;
  room_id: string | null;
  created_at: number;
}

const fromRow = (row: HistoryRow): HistoryEntry => ({
  userId: asUserId(row.user_id),
  txnId: row.txn_id,
  type: row.type,
  amountMinor: row.amount,
  currency: asCurrency(row.currency),
  from: row.from_user === null ? undefined : asUserId(row.from_user),
  to: row.to_user === null ? undefined : asUserId(row.to_user),
  status: row.status,
  ref: row.ref,
  note: row.note ?? undefined,
  roomId: row.room_id ?? undefined,
  createdAt: row.created_at,
});

const historyColumns = { user_id: 'text', txn_id: 'text', type: 'text', amount: 'bigint', currency: 'text', from_user: 'text', to_user: 'text', status: 'text', ref: 'text', note: 'text', room_id: 'text', created_at: 'bigint' } as const;

export async function insertHistory(tx: Transaction, entries: readonly (Omit<HistoryEntry, 'roomId'> & { readonly roomId: RoomId | undefined })[]): Promise<void> {
  await insertRows(
    tx,
    'wallet_history',
    historyColumns,
    entries.map((entry) => ({
      user_id: entry.userId,
      txn_id: entry.txnId,
      type: entry.type,
      amount: entry.amountMinor,
      currency: entry.currency,
      from_user: entry.from ?? null,
      to_user: entry.to ?? null,
      status: entry.status,
      ref: entry.ref,
      note: entry.note ?? null,
      room_id: entry.roomId ?? null,
      created_at: entry.createdAt,
    })),
  );
}

/** For all whom the movement concerns. */
export async function setHistoryStatus(tx: Transaction, txnId: string, status: HistoryStatus): Promise<void> {
  await tx.sql('wallet_history').where({ txn_id: txnId }).update({ status });
}

/** Newest first. */
export async function listHistory(db: Queryable, userId: UserId, page: { readonly limit: number; readonly offset: number }): Promise<{ entries: HistoryEntry[]; total: number }> {
  const own = () => db.sql<HistoryRow>('wallet_history').where({ user_id: userId });
  const counted = await own().count<{ count: number | string }[]>({ count: '*' });
  const rows = await own()
    .orderBy([
      { column: 'created_at', order: 'desc' },
      { column: 'txn_id', order: 'desc' },
    ])
    .limit(page.limit)
    .offset(page.offset);
  return { entries: rows.map(fromRow), total: Number(counted[0]?.count ?? 0) };
}

export async function findHistoryEntry(db: Queryable, userId: UserId, txnId: string): Promise<HistoryEntry | undefined> {
  const row = await db.sql<HistoryRow>('wallet_history').where({ user_id: userId, txn_id: txnId }).first();
  return row === undefined ? undefined : fromRow(row);
}
