import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asUserId, type UserId } from '../kernel/ids.ts';

/** The Matrix user that speaks for a mini-app, and when that was proven. */
export interface MiniAppBot {
  readonly userId: UserId;
  readonly registeredAt: number;
}

export async function findBot(db: Queryable, miniappId: string): Promise<MiniAppBot | undefined> {
  const [row] = await runSql<{ user_id: string; registered_at: number }>(db, 'SELECT user_id, registered_at FROM miniapp_bot WHERE miniapp_id = ?', [miniappId]);
  return row === undefined ? undefined : { userId: asUserId(row.user_id), registeredAt: row.registered_at };
}

/** False when that user is another mini-app's bot. */
export async function saveBot(tx: Transaction, miniappId: string, userId: UserId, by: string, now: number): Promise<boolean> {
  await runSql(tx, 'DELETE FROM miniapp_bot WHERE miniapp_id = ?', [miniappId]);
  const rows = await runSql(tx, 'INSERT INTO miniapp_bot (miniapp_id, user_id, registered_by, registered_at) VALUES (?, ?, ?, ?) ON CONFLICT (user_id) DO NOTHING RETURNING user_id', [miniappId, userId, by, now]);
  return rows.length === 1;
}

/** False when there was none. */
export async function deleteBot(tx: Transaction, miniappId: string): Promise<boolean> {
  return (await runSql(tx, 'DELETE FROM miniapp_bot WHERE miniapp_id = ? RETURNING user_id', [miniappId])).length === 1;
}
