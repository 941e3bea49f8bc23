import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { dayOf, windowDays, type Counters, type Day } from './ranking.ts';

const weekDays = 7;
/** How long counters are kept of each day. */
export const keptDays = 400;

interface StatsRow {
  seq: number;
  qualified: number;
  rating_count: number;
  rating_sum: number;
  released_at: number;
}

type SumRow = Record<'seq' | 'actives' | 'sessions' | 'user_days' | `${'this' | 'last'}_${'installs' | 'sessions' | 'user_days' | 'ratings' | 'stars'}`, number | null>;

const weekly = (['installs', 'sessions', 'user_days', 'ratings', 'stars'] as const).flatMap((name) => [
  `sum(CASE WHEN day > ? THEN ${name} ELSE 0 END) AS this_${name}`,
  `sum(CASE WHEN day <= ? AND day > ? THEN ${name} ELSE 0 END) AS last_${name}`,
]);

/** Apps whose score has to be computed again by `today`, those that changed first; locked until the transaction ends. */
export async function takeDue(tx: Transaction, today: Day, limit: number): Promise<number[]> {
  const due = await runSql<{ seq: number }>(tx, `SELECT seq FROM catalog_stats WHERE score_due <= ? ORDER BY score_due, seq LIMIT ?${tx.dialect === 'postgres' ? ' FOR UPDATE SKIP LOCKED' : ''}`, [today, limit]);
  const seqs = due.map(({ seq }) => seq);
  // Before the counters are read: what is counted after that has itself computed again.
  if (seqs.length > 0) await tx.sql('catalog_stats').whereIn('seq', seqs).update({ score_due: today + 1 });
  return seqs;
}

/** What the counters say of these apps on `today`. */
export async function readCounters(db: Queryable, seqs: readonly number[], today: Day): Promise<Map<number, Counters>> {
  if (seqs.length === 0) return new Map();
  const marks = seqs.map(() => '?').join(', ');
  const stats = await runSql<StatsRow>(db, `SELECT s.seq, s.qualified, s.rating_count, s.rating_sum, e.released_at FROM catalog_stats s JOIN catalog_entry e ON e.seq = s.seq WHERE s.seq IN (${marks})`, seqs);
  const [week, fortnight] = [today - weekDays, today - 2 * weekDays];
  const sums = await runSql<SumRow>(
    db,
    `SELECT seq, sum(last_active) AS actives, sum(sessions) AS sessions, sum(user_days) AS user_days, ${weekly.join(', ')} FROM catalog_day WHERE seq IN (${marks}) AND day > ? AND day <= ? GROUP BY seq`,
    [...Array.from({ length: weekly.length / 2 }, () => [week, week, fortnight]).flat(), ...seqs, today - windowDays, today],
  );
  const bySeq = new Map(sums.map((row) => [row.seq, row]));
  return new Map(stats.map((row) => [row.seq, countersFrom(row, bySeq.get(row.seq))]));
}

function countersFrom(stats: StatsRow, sums: SumRow | undefined): Counters {
  const of = (name: keyof SumRow): number => Number(sums?.[name] ?? 0);
  const week = (which: 'this' | 'last') => ({ installs: of(`${which}_installs`), sessions: of(`${which}_sessions`), userDays: of(`${which}_user_days`), ratings: of(`${which}_ratings`), stars: of(`${which}_stars`) });
  return {
    qualified: stats.qualified,
    actives: of('actives'),
    ratingCount: stats.rating_count,
    ratingSum: stats.rating_sum,
    sessions: of('sessions'),
    userDays: of('user_days'),
    thisWeek: week('this'),
    lastWeek: week('last'),
    releasedDay: stats.released_at === 0 ? undefined : dayOf(stats.released_at),
  };
}

export interface Scored {
  readonly seq: number;
  readonly score: number;
  readonly trend: number;
}

/** Points: an app is put elsewhere in the search when its score has moved by one, which costs writing its words again. */
const searchSteps = 100;
const stepMicros = 1_000_000;

/**
 * SQLite's full-text search gives its matches in the order of their ids. So the best ranked come first, and of a word that
 * is everywhere only they need be looked at. Below 2^31 the id is the app's number.
 */
export const searchIdOf = (score: number, seq: number): number => (searchSteps - Math.min(searchSteps, Math.floor(score / stepMicros))) * 2 ** 31 + seq;

export async function saveScores(tx: Transaction, scored: readonly Scored[]): Promise<void> {
  if (tx.dialect === 'postgres') {
    await tx.sql.raw(
      'UPDATE catalog_entry e SET score = r.score, trend = CASE WHEN e.listed = 1 THEN r.trend ELSE 0 END FROM json_to_recordset(?::json) AS r(seq int, score bigint, trend bigint) WHERE e.seq = r.seq AND (e.score <> r.score OR e.trend <> r.trend)',
      [JSON.stringify(scored)],
    );
    return;
  }
  for (const { seq, score, trend } of scored) {
    await runSql(tx, 'UPDATE catalog_entry SET score = ?, trend = CASE WHEN listed = 1 THEN ? ELSE 0 END WHERE seq = ? AND (score <> ? OR trend <> ?)', [score, trend, seq, score, trend]);
    const searchId = searchIdOf(score, seq);
    await runSql(tx, 'UPDATE catalog_entry SET search_id = ? WHERE seq = ? AND search_id <> ?', [searchId, seq, searchId]);
  }
}

/** Counters of days that nobody asks about any more. */
export async function forgetOldDays(tx: Transaction, seqs: readonly number[], today: Day): Promise<void> {
  if (seqs.length > 0) await tx.sql('catalog_day').whereIn('seq', [...seqs]).andWhere('day', '<', today - keptDays).delete();
}
