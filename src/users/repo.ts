import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

export interface Suspension {
  readonly userId: UserId;
  readonly reason: string;
  readonly suspendedBy: string;
  readonly suspendedAt: number;
  readonly frozeWallet: boolean;
}

export async function isSuspended(db: Queryable, userId: string): Promise<boolean> {
  return (await runSql(db, 'SELECT 1 FROM user_suspension WHERE user_id = ?', [userId])).length > 0;
}

/** False when there is one already. */
export async function insertSuspension(tx: Transaction, { userId, reason, suspendedBy, suspendedAt, frozeWallet }: Suspension): Promise<boolean> {
  const rows = await runSql(tx, 'INSERT INTO user_suspension (user_id, reason, suspended_by, suspended_at, froze_wallet) VALUES (?, ?, ?, ?, ?) ON CONFLICT (user_id) DO NOTHING RETURNING user_id', [userId, reason, suspendedBy, suspendedAt, frozeWallet ? 1 : 0]);
  return rows.length === 1;
}

/** Ends it; undefined when there is none. */
export async function deleteSuspension(tx: Transaction, userId: UserId): Promise<{ readonly frozeWallet: boolean } | undefined> {
  const [row] = await runSql<{ froze_wallet: number }>(tx, 'DELETE FROM user_suspension WHERE user_id = ? RETURNING froze_wallet', [userId]);
  return row === undefined ? undefined : { frozeWallet: row.froze_wallet === 1 };
}
