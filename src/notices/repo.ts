import { insertRows, runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { MiniAppId, UserId } from '../kernel/ids.ts';

export interface NoticeRow {
  /** Whose feed it is in: a user's, or a mini-app's own, whose ids can't be confused. */
  readonly user_id: string;
  readonly kind: string;
  readonly audience: string | null;
  readonly for_host: number;
  readonly session_id: string | null;
  readonly body: string;
  readonly created_at: number;
}

export interface StoredNotice {
  readonly pos: number;
  readonly kind: string;
  readonly sessionId: string | undefined;
  /** JSON text of an object. */
  readonly body: string;
  readonly createdAt: number;
}

/** Who listens: whose notices, and of which part. A mini-app's server listens to the app's own feed. */
export interface Ear {
  readonly userId: UserId | MiniAppId;
  /** A mini-app's id or a reserved audience. */
  readonly audience: string;
  readonly firstParty: boolean;
}

const columns = { user_id: 'text', pos: 'bigint', kind: 'text', audience: 'text', for_host: 'bigint', session_id: 'text', body: 'text', created_at: 'bigint' } as const;
/** The lane of what the host client hears; each audience has one for what nobody else hears. */
const hostLane = '';

/** How many notices are kept for each user and lane, and after how many of them lanes are trimmed to that. */
export const keptInLane = 1000;
const trimEvery = 64;

/** Takes positions at the end of each user's feed, in the order of user ids. Returns the last one of each. */
async function takePositions(tx: Transaction, counts: ReadonlyMap<string, number>): Promise<Map<string, number>> {
  const source =
    tx.dialect === 'postgres'
      ? 'SELECT user_id, n, 0 FROM json_to_recordset(CAST(? AS json)) AS r(user_id text, n bigint) ORDER BY user_id'
      : `SELECT value ->> 'user_id', value ->> 'n', 0 FROM json_each(?) WHERE true`;
  const rows = await runSql<{ user_id: string; last_pos: number }>(
    tx,
    `INSERT INTO notice_feed (user_id, last_pos, floor) ${source} ON CONFLICT (user_id) DO UPDATE SET last_pos = notice_feed.last_pos + excluded.last_pos RETURNING user_id, last_pos`,
    [JSON.stringify([...counts].map(([user_id, n]) => ({ user_id, n })))],
  );
  return new Map(rows.map(({ user_id: userId, last_pos: last }) => [userId, last]));
}

/** Forgets all but the latest of each lane that has become long, and says so in its floor. */
async function trimLanes(tx: Transaction, userId: string): Promise<void> {
  const long = await runSql<{ lane: string }>(tx, `SELECT lane FROM (SELECT CASE WHEN for_host = 1 THEN '' ELSE audience END AS lane FROM notice WHERE user_id = ?) l GROUP BY lane HAVING COUNT(*) > ?`, [userId, keptInLane]);
  for (const { lane } of long) {
    const inLane = lane === hostLane ? 'for_host = 1' : 'for_host = 0 AND audience = ?';
    const which = lane === hostLane ? [userId] : [userId, lane];
    const [last] = await runSql<{ pos: number }>(tx, `SELECT pos FROM notice WHERE user_id = ? AND ${inLane} ORDER BY pos DESC LIMIT 1 OFFSET ?`, [...which, keptInLane]);
    if (last === undefined) continue;
    await runSql(tx, `DELETE FROM notice WHERE user_id = ? AND ${inLane} AND pos <= ?`, [...which, last.pos]);
    await runSql(tx, 'INSERT INTO notice_lane (user_id, lane, floor) VALUES (?, ?, ?) ON CONFLICT (user_id, lane) DO UPDATE SET floor = excluded.floor', [userId, lane, last.pos]);
  }
}

/** Appends notices to their users' feeds, in their order. Must be among the last that a transaction does: it locks the feeds. */
export async function appendNotices(tx: Transaction, rows: readonly NoticeRow[]): Promise<void> {
  const counts = new Map<string, number>();
  for (const { user_id: userId } of rows) counts.set(userId, (counts.get(userId) ?? 0) + 1);
  const last = await takePositions(tx, counts);
  const left = new Map(counts);
  const placed = rows.map((row) => {
    const behind = left.get(row.user_id)! - 1;
    left.set(row.user_id, behind);
    return { ...row, pos: last.get(row.user_id)! - behind };
  });
  await insertRows(tx, 'notice', columns, placed);
  for (const userId of new Set(placed.filter(({ pos }) => pos % trimEvery === 0).map((row) => row.user_id))) await trimLanes(tx, userId);
}

/** Where a user's feed ends, and up to where this ear can't be told any more what it missed. */
export async function findEnds(db: Queryable, { userId, audience }: Ear): Promise<{ readonly last: number; readonly floor: number }> {
  const [row] = await runSql<{ last_pos: number; floor: number; lane_floor: number }>(
    db,
    `SELECT f.last_pos, f.floor, CAST(COALESCE((SELECT MAX(l.floor) FROM notice_lane l WHERE l.user_id = f.user_id AND l.lane IN ('', ?)), 0) AS bigint) AS lane_floor FROM notice_feed f WHERE f.user_id = ?`,
    [audience, userId],
  );
  return row === undefined ? { last: 0, floor: 0 } : { last: row.last_pos, floor: Math.max(row.floor, row.lane_floor) };
}

/** Where the feeds of these users end; those that never had a notice are left out. */
export async function listLast(db: Queryable, userIds: readonly string[]): Promise<Map<string, number>> {
  const among = db.dialect === 'postgres' ? '= ANY(?)' : 'IN (SELECT value FROM json_each(?))';
  const rows = await runSql<{ user_id: string; last_pos: number }>(db, `SELECT user_id, last_pos FROM notice_feed WHERE user_id ${among}`, [userIds]);
  return new Map(rows.map(({ user_id: userId, last_pos: last }) => [userId, last]));
}

/** The next notices behind `after` that this ear hears, in order. */
export async function listNotices(db: Queryable, { userId, audience, firstParty }: Ear, after: number, limit: number): Promise<StoredNotice[]> {
  const heard = firstParty ? '(for_host = 1 OR audience = ?)' : 'audience = ?';
  const rows = await runSql<{ pos: number; kind: string; session_id: string | null; body: string; created_at: number }>(
    db,
    `SELECT pos, kind, session_id, body, created_at FROM notice WHERE user_id = ? AND pos > ? AND ${heard} ORDER BY pos LIMIT ?`,
    [userId, after, audience, limit],
  );
  return rows.map((row) => ({ pos: row.pos, kind: row.kind, sessionId: row.session_id ?? undefined, body: row.body, createdAt: row.created_at }));
}

/** Forgets notices from before `before`, of the users of the `limit` oldest, and says so in their feeds. Feeds that are in use are left for the next time. Returns how many there were. */
export async function purgeNotices(tx: Transaction, before: number, limit: number): Promise<number> {
  let forgotten = 0;
  const due = await runSql<{ user_id: string }>(tx, 'SELECT DISTINCT user_id FROM (SELECT user_id FROM notice WHERE created_at < ? ORDER BY created_at LIMIT ?) n ORDER BY user_id', [before, limit]);
  const lock = tx.dialect === 'postgres' ? ' FOR NO KEY UPDATE SKIP LOCKED' : '';
  for (const { user_id: userId } of due) {
    const [feed] = await runSql<{ floor: number }>(tx, `SELECT floor FROM notice_feed WHERE user_id = ?${lock}`, [userId]);
    if (feed === undefined) continue;
    const gone = await runSql<{ pos: number }>(tx, 'DELETE FROM notice WHERE user_id = ? AND created_at < ? RETURNING pos', [userId, before]);
    const floor = gone.reduce((highest, { pos }) => Math.max(highest, pos), feed.floor);
    await runSql(tx, 'UPDATE notice_feed SET floor = ? WHERE user_id = ?', [floor, userId]);
    forgotten += gone.length;
  }
  return forgotten;
}

/** Deletes all that a user was ever told. Returns how many notices there were. */
export async function eraseNotices(tx: Transaction, userId: UserId): Promise<number> {
  await runSql(tx, 'DELETE FROM notice_feed WHERE user_id = ?', [userId]);
  await runSql(tx, 'DELETE FROM notice_lane WHERE user_id = ?', [userId]);
  return (await runSql(tx, 'DELETE FROM notice WHERE user_id = ? RETURNING pos', [userId])).length;
}
