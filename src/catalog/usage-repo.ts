import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Day } from './ranking.ts';

/** What one person has done with one app, as far as the ranking asks. */
export interface Use {
  readonly activeDays: number;
  readonly lastDay: Day;
  readonly sessionsOnLastDay: number;
  /** Among the qualified installs now. */
  readonly counted: boolean;
  readonly qualifiedDay: Day | undefined;
}

interface UseRow {
  active_days: number;
  last_day: number;
  sessions_on_last_day: number;
  counted: number;
  qualified_day: number | null;
}

/** The number under which the counters know the app. Every app has one, from a trigger. */
export async function seqOf(db: Queryable, miniappId: string): Promise<number> {
  const [row] = await runSql<{ seq: number }>(db, 'SELECT seq FROM catalog_entry WHERE miniapp_id = ?', [miniappId]);
  if (row === undefined) throw new Error(`${miniappId} has no entry in the catalogue`);
  return row.seq;
}

/** Locks the row until the transaction ends; one with nothing in it is made where there is none and `make` says so. */
export async function lockUse(tx: Transaction, seq: number, userId: UserId, make: boolean): Promise<Use | undefined> {
  if (make) await runSql(tx, 'INSERT INTO catalog_use (seq, user_id, active_days, last_day, sessions_on_last_day) VALUES (?, ?, 0, 0, 0) ON CONFLICT (seq, user_id) DO NOTHING', [seq, userId]);
  const [row] = await runSql<UseRow>(tx, `SELECT active_days, last_day, sessions_on_last_day, counted, qualified_day FROM catalog_use WHERE seq = ? AND user_id = ?${tx.dialect === 'postgres' ? ' FOR UPDATE' : ''}`, [seq, userId]);
  return row === undefined ? undefined : { activeDays: row.active_days, lastDay: row.last_day, sessionsOnLastDay: row.sessions_on_last_day, counted: row.counted === 1, qualifiedDay: row.qualified_day ?? undefined };
}

export async function hasOpened(db: Queryable, seq: number, userId: UserId): Promise<boolean> {
  return (await runSql(db, 'SELECT 1 FROM catalog_use WHERE seq = ? AND user_id = ? AND active_days > 0', [seq, userId])).length === 1;
}

export async function saveUse(tx: Transaction, seq: number, userId: UserId, use: Use): Promise<void> {
  await runSql(tx, 'UPDATE catalog_use SET active_days = ?, last_day = ?, sessions_on_last_day = ?, counted = ?, qualified_day = ? WHERE seq = ? AND user_id = ?', [use.activeDays, use.lastDay, use.sessionsOnLastDay, use.counted ? 1 : 0, use.qualifiedDay ?? null, seq, userId]);
}

/** Counters of one day that are added to. `installs` are new qualified installs; `installations` and `removals` all that happened. */
export type DayCounter = 'installs' | 'installations' | 'removals' | 'sessions' | 'user_days' | 'last_active' | 'ratings' | 'stars';

/** Days in the order in which they are given: two transactions that touch the same two take them alike. */
export async function addToDay(tx: Transaction, seq: number, day: Day, changes: Readonly<Partial<Record<DayCounter, number>>>): Promise<void> {
  const counters = Object.entries(changes).filter(([, change]) => change !== 0);
  if (counters.length === 0) return;
  const names = counters.map(([name]) => name);
  await runSql(
    tx,
    `INSERT INTO catalog_day (seq, day, ${names.join(', ')}) VALUES (?, ?, ${names.map(() => '?').join(', ')}) ON CONFLICT (seq, day) DO UPDATE SET ${names.map((name) => `${name} = catalog_day.${name} + excluded.${name}`).join(', ')}`,
    [seq, day, ...counters.map(([, change]) => change)],
  );
}

/** Adds to what is counted of an app altogether, and has its score computed again. */
export async function addToStats(tx: Transaction, seq: number, { qualified = 0, ratings = 0, stars = 0 }: { readonly qualified?: number; readonly ratings?: number; readonly stars?: number }): Promise<{ ratingCount: number; ratingSum: number }> {
  const [row] = await runSql<{ rating_count: number; rating_sum: number }>(
    tx,
    'UPDATE catalog_stats SET qualified = qualified + ?, rating_count = rating_count + ?, rating_sum = rating_sum + ?, score_due = 0 WHERE seq = ? RETURNING rating_count, rating_sum',
    [qualified, ratings, stars, seq],
  );
  return { ratingCount: row?.rating_count ?? 0, ratingSum: row?.rating_sum ?? 0 };
}

export interface Rating {
  readonly stars: number;
  readonly day: Day;
}

/** The caller holds the user's `catalog_use` row. */
export async function findOwnRating(db: Queryable, seq: number, userId: UserId): Promise<Rating | undefined> {
  const [row] = await runSql<Rating>(db, 'SELECT stars, day FROM catalog_rating WHERE seq = ? AND user_id = ?', [seq, userId]);
  return row === undefined ? undefined : { stars: row.stars, day: row.day };
}

export async function saveOwnRating(tx: Transaction, seq: number, userId: UserId, rating: Rating | undefined): Promise<void> {
  if (rating === undefined) await runSql(tx, 'DELETE FROM catalog_rating WHERE seq = ? AND user_id = ?', [seq, userId]);
  else await runSql(tx, 'INSERT INTO catalog_rating (seq, user_id, stars, day) VALUES (?, ?, ?, ?) ON CONFLICT (seq, user_id) DO UPDATE SET stars = excluded.stars, day = excluded.day', [seq, userId, rating.stars, rating.day]);
}

export async function setRatingMean(tx: Transaction, seq: number, mean: number): Promise<void> {
  await runSql(tx, 'UPDATE catalog_entry SET rating_mean = ? WHERE seq = ?', [mean, seq]);
}
