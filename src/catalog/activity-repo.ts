import { runSql, type Queryable } from '../database/index.ts';
import type { Day } from './ranking.ts';

/** What people did with an app on one day. */
export interface DayOfUse {
  readonly day: Day;
  readonly installations: number;
  readonly removals: number;
  /** People who opened it. */
  readonly people: number;
  readonly sessions: number;
  /** Ratings of that day that still stand, and their stars. */
  readonly ratings: number;
  readonly stars: number;
}

/** Days on which something was counted, the first and the last of the period included. */
export async function listDaysOfUse(db: Queryable, miniappId: string, from: Day, to: Day): Promise<DayOfUse[]> {
  return runSql<DayOfUse>(
    db,
    `SELECT d.day, d.installations, d.removals, d.user_days AS people, d.sessions, d.ratings, d.stars FROM catalog_entry e JOIN catalog_day d ON d.seq = e.seq
     WHERE e.miniapp_id = ? AND d.day >= ? AND d.day <= ? ORDER BY d.day`,
    [miniappId, from, to],
  );
}

/** People who opened the app on one of the latest `days` days. */
export async function countActive(db: Queryable, miniappId: string, today: Day, days: number): Promise<number> {
  const [row] = await runSql<{ people: number | null }>(db, 'SELECT sum(d.last_active) AS people FROM catalog_entry e JOIN catalog_day d ON d.seq = e.seq WHERE e.miniapp_id = ? AND d.day > ?', [miniappId, today - days]);
  return Number(row?.people ?? 0);
}

/** How many people who installed the app have which version, the most used first. */
export async function listInstalledVersions(db: Queryable, miniappId: string): Promise<{ readonly version: string; readonly people: number }[]> {
  const rows = await runSql<{ version: string; people: number }>(db, `SELECT version, count(*) AS people FROM installation WHERE miniapp_id = ? AND state = 'installed' GROUP BY version ORDER BY people DESC, version`, [miniappId]);
  return rows.map(({ version, people }) => ({ version, people: Number(people) }));
}
