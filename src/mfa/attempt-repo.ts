import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Factor } from './types.ts';

export interface AttemptState {
  readonly failures: number;
  readonly lockedUntil: number;
}

interface AttemptRow {
  factor: Factor;
  failures: number;
  locked_until: number;
}

const fromRow = (row: AttemptRow): AttemptState => ({ failures: row.failures, lockedUntil: row.locked_until });

/** The counter of a user's factor, locked until the transaction ends. */
export async function lockAttempts(tx: Transaction, userId: UserId, factor: Factor): Promise<AttemptState> {
  const rows = await tx
    .sql('mfa_attempt')
    .insert({ user_id: userId, factor, failures: 0, locked_until: 0 })
    .onConflict(['user_id', 'factor'])
    .merge({ user_id: userId })
    .returning<AttemptRow[]>(['factor', 'failures', 'locked_until']);
  return fromRow(rows[0]!);
}

export async function saveAttempts(tx: Transaction, userId: UserId, factor: Factor, state: AttemptState): Promise<void> {
  await tx.sql('mfa_attempt').where({ user_id: userId, factor }).update({ failures: state.failures, locked_until: state.lockedUntil });
}

export async function findAttempts(db: Queryable, userId: UserId): Promise<Map<Factor, AttemptState>> {
  const rows = await runSql<AttemptRow>(db, 'SELECT factor, failures, locked_until FROM mfa_attempt WHERE user_id = ?', [userId]);
  return new Map(rows.map((row) => [row.factor, fromRow(row)]));
}

/** Forgets what failed before. Returns whether there was anything. */
export async function clearAttempts(db: Queryable, userId: UserId, factor: Factor): Promise<boolean> {
  return (await runSql(db, 'DELETE FROM mfa_attempt WHERE user_id = ? AND factor = ? RETURNING factor', [userId, factor])).length === 1;
}
