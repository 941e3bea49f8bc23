import { runSql, type Transaction } from '../../database/index.ts';
import type { UserId } from '../../kernel/ids.ts';

/** False when the user was told of this change before. */
export async function insertTold(tx: Transaction, id: string, userId: UserId, now: number): Promise<boolean> {
  return (await runSql(tx, 'INSERT INTO mfa_told_change (id, user_id, told_at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING id', [id, userId, now])).length === 1;
}

/** A chore. */
export async function purgeTold(tx: Transaction, before: number): Promise<void> {
  await runSql(tx, 'DELETE FROM mfa_told_change WHERE told_at < ?', [before]);
}
