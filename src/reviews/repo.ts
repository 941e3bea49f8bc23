import type { Queryable, Transaction } from '../database/index.ts';
import { asMiniAppId, type MiniAppId } from '../kernel/ids.ts';
import type { Report } from './checks/index.ts';

export type ReviewState = 'open' | 'approved' | 'rejected' | 'withdrawn';

/** What people decided, and by which checklists. */
export interface Verdict {
  readonly reason?: string;
  readonly checklists?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface Review {
  readonly reviewId: string;
  readonly miniappId: MiniAppId;
  readonly versionId: string;
  readonly kind: 'submission' | 'appeal';
  readonly state: ReviewState;
  readonly submittedAt: number;
  readonly dueAt: number;
  readonly report: Report | undefined;
  readonly checkedAt: number | undefined;
  readonly verdict: Verdict | undefined;
  readonly decidedBy: string | undefined;
  readonly decidedAt: number | undefined;
}

interface ReviewRow {
  review_id: string;
  miniapp_id: string;
  version_id: string;
  kind: 'submission' | 'appeal';
  state: ReviewState;
  submitted_at: number;
  due_at: number;
  report: string | null;
  checked_at: number | null;
  verdict: string | null;
  decided_by: string | null;
  decided_at: number | null;
}

const fromRow = (row: ReviewRow): Review => ({
  reviewId: row.review_id,
  miniappId: asMiniAppId(row.miniapp_id),
  versionId: row.version_id,
  kind: row.kind,
  state: row.state,
  submittedAt: row.submitted_at,
  dueAt: row.due_at,
  report: row.report === null ? undefined : (JSON.parse(row.report) as Report),
  checkedAt: row.checked_at ?? undefined,
  verdict: row.verdict === null ? undefined : (JSON.parse(row.verdict) as Verdict),
  decidedBy: row.decided_by ?? undefined,
  decidedAt: row.decided_at ?? undefined,
});

const table = (db: Queryable) => db.sql<ReviewRow>('review');

export async function insertReview(tx: Transaction, review: Pick<Review, 'reviewId' | 'miniappId' | 'versionId' | 'kind' | 'submittedAt' | 'dueAt'>): Promise<void> {
  await tx.sql('review').insert({ review_id: review.reviewId, miniapp_id: review.miniappId, version_id: review.versionId, kind: review.kind, state: 'open', submitted_at: review.submittedAt, due_at: review.dueAt });
}

export async function findReview(db: Queryable, reviewId: string): Promise<Review | undefined> {
  const row = await table(db).where({ review_id: reviewId }).first();
  return row === undefined ? undefined : fromRow(row);
}

export async function findLatestReview(db: Queryable, miniappId: string): Promise<Review | undefined> {
  const row = await table(db).where({ miniapp_id: miniappId }).orderBy([{ column: 'submitted_at', order: 'desc' }, { column: 'review_id', order: 'desc' }]).first();
  return row === undefined ? undefined : fromRow(row);
}

export async function findOpenReview(db: Queryable, versionId: string): Promise<Review | undefined> {
  const row = await table(db).where({ version_id: versionId, state: 'open' }).first();
  return row === undefined ? undefined : fromRow(row);
}

/** The last one that was decided. */
export async function findDecidedReview(db: Queryable, versionId: string): Promise<Review | undefined> {
  const row = await table(db).where({ version_id: versionId }).whereNotNull('decided_at').orderBy('decided_at', 'desc').first();
  return row === undefined ? undefined : fromRow(row);
}

export async function closeReview(tx: Transaction, versionId: string, state: Exclude<ReviewState, 'open'>, by: string, verdict: Verdict, now: number): Promise<void> {
  await table(tx)
    .where({ version_id: versionId, state: 'open' })
    .update({ state, ...(state === 'withdrawn' ? {} : { verdict: JSON.stringify(verdict), decided_by: by, decided_at: now }) });
}

export async function saveVerdict(tx: Transaction, reviewId: string, verdict: Verdict): Promise<void> {
  await table(tx).where({ review_id: reviewId }).update({ verdict: JSON.stringify(verdict) });
}

/** False when there is a report already. */
export async function saveReport(tx: Transaction, reviewId: string, report: Report, now: number): Promise<boolean> {
  return (await table(tx).where({ review_id: reviewId }).whereNull('report').update({ report: JSON.stringify(report), checked_at: now })) === 1;
}

/** What is due first comes first. */
export async function listReviews(db: Queryable, { state, limit, offset }: { readonly state: ReviewState; readonly limit: number; readonly offset: number }): Promise<{ reviews: Review[]; total: number }> {
  const counted = await table(db).where({ state }).count<{ count: number | string }[]>({ count: '*' });
  const rows = await table(db).where({ state }).orderBy(['due_at', 'review_id']).limit(limit).offset(offset);
  return { reviews: rows.map(fromRow), total: Number(counted[0]?.count ?? 0) };
}

/** How many open ones are due before this one. */
export async function countBefore(db: Queryable, { dueAt, reviewId }: Review): Promise<number> {
  const counted = await table(db)
    .where({ state: 'open' })
    .andWhere((query) => void query.where('due_at', '<', dueAt).orWhere((same) => void same.where('due_at', dueAt).andWhere('review_id', '<', reviewId)))
    .count<{ count: number | string }[]>({ count: '*' });
  return Number(counted[0]?.count ?? 0);
}

/** How long the latest decisions took, milliseconds; official apps are approved as they are registered and would say nothing. */
export async function listDecisionTimes(db: Queryable, limit: number): Promise<number[]> {
  const rows = await table(db).whereNotNull('decided_at').andWhereRaw('decided_at > submitted_at').orderBy('decided_at', 'desc').limit(limit).select('submitted_at', 'decided_at');
  return rows.map(({ submitted_at: from, decided_at: to }) => to! - from);
}

export interface Evidence {
  readonly evidenceId: string;
  readonly filename: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface Appeal {
  readonly appealId: string;
  readonly reviewId: string;
  readonly reason: string;
  readonly changesMade: readonly string[];
  readonly createdBy: string;
  readonly createdAt: number;
  readonly evidence: readonly Evidence[];
}

interface EvidenceRow {
  evidence_id: string;
  appeal_id: string;
  filename: string;
  media_type: string;
  size_bytes: number;
  sha256: string;
}

export async function insertAppeal(tx: Transaction, appeal: Appeal): Promise<void> {
  await tx.sql('appeal').insert({ appeal_id: appeal.appealId, review_id: appeal.reviewId, reason: appeal.reason, changes_made: JSON.stringify(appeal.changesMade), created_by: appeal.createdBy, created_at: appeal.createdAt });
  for (const one of appeal.evidence) await tx.sql('appeal_evidence').insert({ evidence_id: one.evidenceId, appeal_id: appeal.appealId, filename: one.filename, media_type: one.mediaType, size_bytes: one.sizeBytes, sha256: one.sha256 });
}

export async function isEvidence(db: Queryable, evidenceId: string): Promise<boolean> {
  return (await db.sql('appeal_evidence').where({ evidence_id: evidenceId }).first('evidence_id')) !== undefined;
}

export async function findAppeal(db: Queryable, reviewId: string): Promise<Appeal | undefined> {
  const row = await db.sql<{ appeal_id: string; review_id: string; reason: string; changes_made: string; created_by: string; created_at: number }>('appeal').where({ review_id: reviewId }).first();
  if (row === undefined) return undefined;
  const evidence = await db.sql<EvidenceRow>('appeal_evidence').where({ appeal_id: row.appeal_id }).orderBy('evidence_id');
  return {
    appealId: row.appeal_id,
    reviewId,
    reason: row.reason,
    changesMade: JSON.parse(row.changes_made) as string[],
    createdBy: row.created_by,
    createdAt: row.created_at,
    evidence: evidence.map((one) => ({ evidenceId: one.evidence_id, filename: one.filename, mediaType: one.media_type, sizeBytes: one.size_bytes, sha256: one.sha256 })),
  };
}
