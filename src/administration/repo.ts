import type { Queryable } from '../database/index.ts';
import type { MiniAppStatus } from '../miniapps/index.ts';

/** Mini-apps by where they stand. */
export async function countByStatus(db: Queryable): Promise<Map<MiniAppStatus, number>> {
  const rows = await db.sql('miniapp').groupBy('status').select<{ status: MiniAppStatus; count: number | string }[]>('status', db.sql.raw('count(*) AS count'));
  return new Map(rows.map(({ status, count }) => [status, Number(count)]));
}

export interface WaitingReview {
  readonly miniappId: string;
  readonly name: string;
  readonly status: MiniAppStatus;
  readonly registeredBy: string;
  /** When it was submitted. */
  readonly since: number;
}

/** Apps that wait for a verdict, longest first; those in the store with a version that does. */
export async function listWaiting(db: Queryable, limit: number): Promise<WaitingReview[]> {
  const rows = await db
    .sql('review')
    .join('miniapp', 'miniapp.miniapp_id', 'review.miniapp_id')
    .where('review.state', 'open')
    .orderBy(['review.submitted_at', 'review.review_id'])
    .limit(limit)
    .select<{ miniapp_id: string; name: string; status: MiniAppStatus; registered_by: string; submitted_at: number }[]>('miniapp.miniapp_id', 'miniapp.name', 'miniapp.status', 'miniapp.registered_by', 'review.submitted_at');
  return rows.map((row) => ({ miniappId: row.miniapp_id, name: row.name, status: row.status, registeredBy: row.registered_by, since: row.submitted_at }));
}
