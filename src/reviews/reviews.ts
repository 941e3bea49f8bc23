import type { Database, Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type MiniAppId } from '../kernel/ids.ts';
import { approvalOf, rejectionOf, type MiniApp, type MiniApps, type Registrar } from '../miniapps/index.ts';
import { findNewest, findVersionById, nameOfActor, type Lifecycle, type Version, type VersionStep } from '../releases/index.ts';
import { runInThread } from './checks/index.ts';
import { requirePassed, type Answers } from './checklists.ts';
import { gatherMaterial, type MaterialDependencies } from './material.ts';
import { closeReview, countBefore, findAppeal, findLatestReview, findOpenReview, findReview, insertReview, listDecisionTimes, listReviews, saveReport, saveVerdict, type Appeal, type Review, type ReviewState } from './repo.ts';

export interface ReviewsDependencies extends MaterialDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly miniapps: Pick<MiniApps, 'find' | 'lock' | 'withLocked'>;
  readonly lifecycle: () => Pick<Lifecycle, 'actIn'>;
  /** How long a decision is promised to take, by classification. */
  readonly promisedMs: Readonly<Record<MiniApp['classification'], number>>;
  readonly checkTimeoutMs: number;
}

export interface ReviewView {
  readonly review: Review;
  readonly version: Version;
  readonly appeal: Appeal | undefined;
  /** From 1; undefined once it is decided. */
  readonly queuePosition: number | undefined;
}

export interface MeasuredTimes {
  readonly decisions: number;
  readonly medianMs: number | undefined;
}

export interface Reviews {
  /** Opens and closes reviews with the steps of versions, in their transactions. */
  readonly onStep: (tx: Transaction, step: VersionStep) => Promise<void>;
  readonly checking: JobKind;
  /** @throws AppError NOT_FOUND when nothing was ever submitted */
  latest(miniappId: MiniAppId): Promise<ReviewView>;
  list(filter: { readonly state: ReviewState; readonly limit: number; readonly offset: number }): Promise<{ reviews: ReviewView[]; total: number }>;
  /** How long decisions took in fact. */
  measured(): Promise<MeasuredTimes>;
  /** @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION (decided already), INVALID_REQUEST (a checklist) */
  decide(reviewId: string, by: Registrar, decision: Decision): Promise<{ app: MiniApp; review: Review }>;
}

export interface Decision {
  readonly verdict: 'approve' | 'reject';
  readonly reason: string | undefined;
  readonly checklists: Answers;
  readonly hold: boolean;
}

export const checksKind = 'review.checks';
const sample = 100;
const unknown = (): AppError => new AppError('NOT_FOUND', 'No such review');

function createOnStep({ clock, queue, promisedMs }: ReviewsDependencies): Reviews['onStep'] {
  return async (tx, { app, version, command, by, reason }) => {
    // What comes with the server itself is nobody's submission.
    if ('manifest' in by) return;
    const now = clock.now();
    if (command === 'submit' || command === 'appeal') {
      const reviewId = newId('review');
      await insertReview(tx, { reviewId, miniappId: app.miniappId, versionId: version.versionId, kind: command === 'appeal' ? 'appeal' : 'submission', submittedAt: now, dueAt: now + promisedMs[app.classification] });
      queue.enqueue(tx, { stream: `review:${app.miniappId}`, kind: checksKind, body: { reviewId } });
    } else if (command === 'withdraw') await closeReview(tx, version.versionId, 'withdrawn', nameOfActor(by), {}, now);
    else if (command === 'approve' || command === 'reject') await closeReview(tx, version.versionId, command === 'approve' ? 'approved' : 'rejected', nameOfActor(by), reason === undefined ? {} : { reason }, now);
  };
}

/** The checks of one review. What is then still submitted goes on to the people (SUBMITTED → UNDER_REVIEW). */
function createChecking(deps: ReviewsDependencies): JobKind {
  const { database, clock, miniapps } = deps;
  return {
    async run({ body }) {
      const { reviewId } = body as { reviewId: string };
      const review = await findReview(database, reviewId);
      const version = review === undefined ? undefined : await findVersionById(database, review.versionId);
      const app = review === undefined ? undefined : await miniapps.find(review.miniappId);
      if (review === undefined || version === undefined || app === undefined || review.report !== undefined || review.state === 'withdrawn') return;
      const report = await runInThread(await gatherMaterial(deps, app, version), deps.checkTimeoutMs);
      return async (tx) => {
        const locked = await miniapps.lock(tx, app.miniappId);
        if (!(await saveReport(tx, reviewId, report, clock.now()))) return;
        const newest = await findNewest(tx, app.miniappId);
        if (newest?.versionId === version.versionId && newest.state === 'submitted') await deps.lifecycle().actIn(tx, locked, { system: 'review' }, () => ['begin_review']);
      };
    },
  };
}

export function createReviews(deps: ReviewsDependencies): Reviews {
  const { database, miniapps } = deps;
  const viewOf = async (review: Review): Promise<ReviewView> => ({
    review,
    version: (await findVersionById(database, review.versionId))!,
    appeal: review.kind === 'appeal' ? await findAppeal(database, review.reviewId) : undefined,
    queuePosition: review.state === 'open' ? (await countBefore(database, review)) + 1 : undefined,
  });
  return {
    onStep: createOnStep(deps),
    checking: createChecking(deps),
    async latest(miniappId) {
      const review = await findLatestReview(database, miniappId);
      if (review === undefined) throw new AppError('NOT_FOUND', 'Nothing was submitted for review yet');
      return viewOf(review);
    },
    async list(filter) {
      const { reviews, total } = await listReviews(database, filter);
      return { reviews: await Promise.all(reviews.map(viewOf)), total };
    },
    async measured() {
      const times = (await listDecisionTimes(database, sample)).sort((a, b) => a - b);
      return { decisions: times.length, medianMs: times[Math.floor((times.length - 1) / 2)] };
    },
    async decide(reviewId, by, { verdict, reason, checklists, hold }) {
      if (verdict === 'approve') requirePassed(checklists);
      const known = await findReview(database, reviewId);
      if (known === undefined) throw unknown();
      return miniapps.withLocked(known.miniappId, async (tx, app) => {
        const open = await findOpenReview(tx, known.versionId);
        const newest = await findNewest(tx, app.miniappId);
        if (open?.reviewId !== reviewId || newest?.versionId !== known.versionId) throw new AppError('INVALID_STATE_TRANSITION', 'This review is over', { details: { state: known.state, command: verdict } });
        const outcome = await deps.lifecycle().actIn(tx, app, by, (status) => (verdict === 'approve' ? approvalOf({ status }, hold) : rejectionOf({ status })), reason);
        await saveVerdict(tx, reviewId, { ...(reason === undefined ? {} : { reason }), checklists });
        return { app: outcome.app, review: (await findReview(tx, reviewId))! };
      });
    },
  };
}
