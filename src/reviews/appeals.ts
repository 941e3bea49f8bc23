import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Database } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId } from '../kernel/ids.ts';
import type { MiniApps, Registrar } from '../miniapps/index.ts';
import { abandonedMs, findNewest, nameOfActor, type Bundles, type BundleStore, type Lifecycle, type Upload } from '../releases/index.ts';
import { findAppeal, findDecidedReview, findOpenReview, insertAppeal, isEvidence, type Appeal, type Evidence, type Review } from './repo.ts';

export interface AppealsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly miniapps: Pick<MiniApps, 'withLocked'>;
  readonly lifecycle: () => Pick<Lifecycle, 'actIn'>;
  readonly store: BundleStore;
  readonly receive: Bundles['receive'];
}

/** A file that came with an appeal, taken for what it is. */
export interface Attachment {
  readonly upload: Upload;
  readonly filename: string;
  readonly mediaType: string;
}

export interface Appeals {
  /** @throws AppError INVALID_STATE_TRANSITION unless the submission was rejected and that was not an appeal already */
  appeal(miniappId: string, by: Registrar, said: { readonly reason: string; readonly changesMade: readonly string[] }, attachments: readonly Attachment[]): Promise<{ appeal: Appeal; review: Review }>;
  readonly receive: Bundles['receive'];
  /** @throws AppError NOT_FOUND */
  evidence(reviewId: string, evidenceId: string): Promise<{ evidence: Evidence; bytes: Readable }>;
  /** Removes files of appeals that never came to be. */
  readonly forsaking: JobKind;
}

export const forsakenKind = 'evidence.forsaken';

const accepted: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp', 'application/pdf', 'text/plain']);
const headBytes = 4100;

/** What a file really is, by its bytes; its name and what the sender calls it count for nothing. @throws AppError INVALID_REQUEST for a kind that is no evidence, or another than was said */
export async function evidenceType(file: string, filename: string, declared: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    const head = buffer.subarray(0, bytesRead);
    const { fileTypeFromBuffer } = await import('file-type');
    const found = (await fileTypeFromBuffer(head))?.mime ?? (head.includes(0) ? 'application/octet-stream' : 'text/plain');
    if (!accepted.has(found) || (found === 'text/plain' && /\.(html?|svg|xml|js)$/i.test(filename))) throw invalidField('evidence', `must be ${[...accepted].join(', ')}`);
    if (found !== declared && declared !== 'application/octet-stream') throw invalidField('evidence', `is said to be ${declared.slice(0, 60)} and is ${found}`);
    return found;
  } finally {
    await handle.close();
  }
}

const storedAs = (evidenceId: string): string => `evidence/${evidenceId}`;

export function createAppeals(deps: AppealsDependencies): Appeals {
  const { database, clock, queue, miniapps, store } = deps;
  return {
    receive: deps.receive,
    async appeal(miniappId, by, { reason, changesMade }, attachments) {
      const evidence = attachments.map(({ upload, filename, mediaType }): Evidence => ({ evidenceId: newId('evidence'), filename, mediaType, sizeBytes: upload.sizeBytes, sha256: upload.sha256 }));
      // Should this process die in between: somebody looks whether the appeal came to be.
      const evidenceIds = evidence.map(({ evidenceId }) => evidenceId);
      if (evidenceIds.length > 0) await database.inTransaction((tx) => Promise.resolve(queue.enqueue(tx, { stream: `evidence:${evidenceIds[0]}`, kind: forsakenKind, body: { evidenceIds }, runAt: clock.now() + abandonedMs })));
      try {
        for (const [index, { evidenceId }] of evidence.entries()) await store.put(storedAs(evidenceId), attachments[index]!.upload.file);
        return await miniapps.withLocked(miniappId, async (tx, app) => {
          const version = await findNewest(tx, miniappId);
          const decided = version === undefined ? undefined : await findDecidedReview(tx, version.versionId);
          if (version?.state === 'rejected' && decided?.kind === 'appeal') throw new AppError('INVALID_STATE_TRANSITION', 'The appeal was rejected: mend it and submit it again', { details: { state: 'rejected', command: 'appeal' } });
          await deps.lifecycle().actIn(tx, app, by, () => ['appeal'], reason);
          const review = (await findOpenReview(tx, version!.versionId))!;
          const appeal: Appeal = { appealId: newId('appeal'), reviewId: review.reviewId, reason, changesMade, createdBy: nameOfActor(by), createdAt: clock.now(), evidence };
          await insertAppeal(tx, appeal);
          return { appeal, review };
        });
      } catch (error) {
        for (const { evidenceId } of evidence) await store.remove(storedAs(evidenceId));
        throw error;
      }
    },
    forsaking: {
      async run({ body }) {
        const { evidenceIds } = body as { evidenceIds: readonly string[] };
        for (const evidenceId of evidenceIds) if (!(await isEvidence(database, evidenceId))) await store.remove(storedAs(evidenceId));
      },
    },
    async evidence(reviewId, evidenceId) {
      const evidence = (await findAppeal(database, reviewId))?.evidence.find((one) => one.evidenceId === evidenceId);
      const bytes = evidence === undefined ? undefined : await store.open(storedAs(evidenceId));
      if (evidence === undefined || bytes === undefined) throw new AppError('NOT_FOUND', 'No such evidence');
      return { evidence, bytes };
    },
  };
}
