import { answer, principalOf, TextStream, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { statusBody, type MiniApps } from '../miniapps/index.ts';
import { appIn, registrarOf } from '../releases/index.ts';
import { evidenceType, type Appeals, type Attachment } from './appeals.ts';
import type { Answers } from './checklists.ts';
import type { Appeal, Review, ReviewState } from './repo.ts';
import type { Decision, MeasuredTimes, Reviews, ReviewView } from './reviews.ts';

const hourMs = 60 * 60_000;

/** Where it stands, in the words of specification section 9.3.1. */
const statusOf = ({ state, report }: Review): string => (state !== 'open' ? state : report === undefined ? 'automated_review_pending' : 'automated_review_complete');

const appealBody = (appeal: Appeal): object => ({
  appeal_id: appeal.appealId,
  reason: appeal.reason,
  changes_made: appeal.changesMade,
  created_at: isoTime(appeal.createdAt),
  evidence: appeal.evidence.map(({ evidenceId, filename, mediaType, sizeBytes, sha256 }) => ({ evidence_id: evidenceId, filename, media_type: mediaType, size_bytes: sizeBytes, hash: `sha256:${sha256}` })),
});

const reviewBody = ({ review, version, appeal, queuePosition }: ReviewView): object => ({
  review_id: review.reviewId,
  miniapp_id: review.miniappId,
  version: version.version,
  version_code: version.versionCode,
  kind: review.kind,
  status: statusOf(review),
  ...(review.report ?? {}),
  submitted_at: isoTime(review.submittedAt),
  due_at: isoTime(review.dueAt),
  ...(review.checkedAt === undefined ? {} : { checked_at: isoTime(review.checkedAt) }),
  ...(queuePosition === undefined ? {} : { queue_position: queuePosition }),
  ...(review.verdict === undefined ? {} : { verdict: review.verdict }),
  ...(review.decidedAt === undefined ? {} : { decided_at: isoTime(review.decidedAt) }),
  ...(appeal === undefined ? {} : { appeal: appealBody(appeal) }),
});

const measuredBody = ({ decisions, medianMs }: MeasuredTimes): object => ({ decisions, ...(medianMs === undefined ? {} : { median_hours: Math.round((medianMs / hourMs) * 10) / 10 }) });

export interface ReviewRoutesDependencies {
  readonly miniapps: Pick<MiniApps, 'get' | 'getFor' | 'getManaged'>;
  readonly reviews: Reviews;
  readonly appeals: Appeals;
  readonly evidence: { readonly maxBytes: number; readonly maxFiles: number };
  readonly contactEmail: string | undefined;
}

interface AppealBody {
  reason: string;
  changes_made?: string[];
}

/** Specification section 9.3. */
export function reviewRoutes({ miniapps, reviews, appeals, evidence, contactEmail }: ReviewRoutesDependencies): Routes {
  return {
    getReview: async (request) => {
      const app = await appIn(request, miniapps, 'read');
      return answer({ ...reviewBody(await reviews.latest(app.miniappId)), measured: measuredBody(await reviews.measured()) });
    },
    appealReview: async (request) => {
      const app = await appIn(request, miniapps, 'manage');
      const file = async (body: AppealBody, attachments: readonly Attachment[]) => {
        const { appeal, review } = await appeals.appeal(app.miniappId, registrarOf(request), { reason: body.reason, changesMade: body.changes_made ?? [] }, attachments);
        return answer({ appeal_id: appeal.appealId, status: 'under_review', estimated_resolution: isoTime(review.dueAt), ...(contactEmail === undefined ? {} : { contact_email: contactEmail }) }, 201);
      };
      const { multipart } = request;
      if (multipart === undefined) return file(request.body as AppealBody, []);
      return appeals.receive(async (take) => {
        const attachments: Attachment[] = [];
        const body = await multipart({ fileBytes: evidence.maxBytes, files: evidence.maxFiles }, async ({ field, filename, mediaType }, stream) => {
          if (field !== 'evidence') throw invalidField(field, 'is not a part that is known');
          const upload = await take(stream);
          const name = filename.replace(/[^\w. -]/g, '_').slice(-100);
          attachments.push({ upload, filename: name, mediaType: await evidenceType(upload.file, name, mediaType) });
        });
        return file(body as AppealBody, attachments);
      });
    },
    listReviews: async (request) => {
      const { state, limit, offset } = request.query as unknown as { state: ReviewState; limit: number; offset: number };
      const { reviews: page, total } = await reviews.list({ state, limit, offset });
      return answer({ reviews: page.map(reviewBody), pagination: { total, limit, offset, has_more: offset + page.length < total }, measured: measuredBody(await reviews.measured()) });
    },
    decideReview: async (request) => {
      const body = request.body as { verdict: Decision['verdict']; reason?: string; checklists?: Answers; hold?: boolean };
      if (body.verdict === 'reject' && body.reason === undefined) throw invalidField('reason', 'is required');
      const { app } = await reviews.decide(request.path.review_id as string, { admin: principalOf(request, 'admin').name }, { verdict: body.verdict, reason: body.reason, checklists: body.checklists ?? {}, hold: body.hold ?? false });
      return answer(statusBody(app));
    },
    getAppealEvidence: async (request) => {
      const { evidence: one, bytes } = await appeals.evidence(request.path.review_id as string, request.path.evidence_id as string);
      return answer(new TextStream('application/octet-stream', bytes as AsyncIterable<Buffer>), 200, { 'Content-Disposition': `attachment; filename="${one.filename}"`, 'Content-Security-Policy': "sandbox; default-src 'none'", 'Content-Length': String(one.sizeBytes) });
    },
  };
}
