import { runSql, type Transaction } from '../database/index.ts';
import type { MiniAppId, RoomId } from '../kernel/ids.ts';

/** Counts one more card of the app in the room in this minute, and returns how many that makes. */
export async function countCard(tx: Transaction, miniappId: MiniAppId, roomId: RoomId, minute: number): Promise<number> {
  const [row] = await runSql<{ cards: number }>(
    tx,
    `INSERT INTO card_window (miniapp_id, room_id, minute, cards) VALUES (?, ?, ?, 1)
     ON CONFLICT (miniapp_id, room_id) DO UPDATE SET cards = CASE WHEN card_window.minute = excluded.minute THEN card_window.cards + 1 ELSE 1 END, minute = excluded.minute RETURNING cards`,
    [miniappId, roomId, minute],
  );
  return row?.cards ?? 1;
}

/** Minutes that are over. */
export async function forgetWindows(tx: Transaction, before: number): Promise<void> {
  await runSql(tx, 'DELETE FROM card_window WHERE minute < ?', [before]);
}
