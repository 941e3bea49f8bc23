import type { Database, Transaction } from '../database/index.ts';
import { Unavailable, type Job, type JobKind, type JobQueue, type NewJob } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { forgetOtherKeys, noteKey } from './key-repo.ts';
import { findSealed, listSealedOtherwise, lockSpaceById, replaceSealed, type Place, type Sealed } from './reseal-repo.ts';
import type { Vault } from './vault.ts';

export const resealKind = 'storage.reseal';

interface Progress {
  readonly key_id: string;
  readonly what: Sealed;
  /** Everything up to here is done. */
  readonly space_id: number;
  readonly name: string;
  /** Rows of this pass; a pass without any is the last. */
  readonly resealed: number;
  readonly pass: number;
}

export interface ResealDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly queue: JobQueue;
  readonly keyRing: KeyRing;
  readonly vault: Vault;
}

/** Rows and bytes of one transaction: other writers wait for it on SQLite. */
const chunkRows = 50;
const chunkBytes = 2 * 1024 * 1024;
const chunksPerJob = 20;
/** Longer than any other process goes on sealing with a key after a newer one was added; on SQLite there is no other. */
const nextPassMs = 60_000;

const start = { what: 'entry', space_id: 0, name: '', resealed: 0 } as const;
const jobOf = (progress: Progress, id: string, runAt?: number): NewJob => ({ id, stream: resealKind, kind: resealKind, body: progress, ...(runAt === undefined ? {} : { runAt }) });

/** To be queued: everything that is stored gets sealed with this key, the newest of the ring. */
export const resealJob = (keyId: string, now: number): NewJob => jobOf({ ...start, key_id: keyId, pass: 1 }, `${resealKind}:${keyId}:${now}`);

/**
 * Seals again, with the newest key, what older ones sealed: a few rows at a time, each bit remembered as a job of its own, so
 * that it goes on where it stopped. Passes are repeated until one finds nothing: other processes may have sealed with an older key meanwhile.
 */
export function createReseal(deps: ResealDependencies): JobKind {
  const { database, clock, log, queue, keyRing, vault } = deps;

  const resealRow = async (tx: Transaction, what: Sealed, place: Place, keyId: string, owner: Parameters<Vault['open']>[0]): Promise<void> => {
    const old = await findSealed(tx, what, place);
    if (old === undefined || old.keyId === keyId) return;
    const text = what === 'entry' ? vault.open(owner, place.name, old) : vault.openAnswer(owner, place.name, old);
    await replaceSealed(tx, what, place, what === 'entry' ? vault.seal(owner, place.name, text) : vault.sealAnswer(owner, place.name, text));
  };

  /** Seals some rows of one space again and returns where the next ones begin; undefined when there are none. */
  const resealChunk = async ({ key_id: keyId, what, space_id: spaceId, name }: Progress): Promise<{ readonly last: Place; readonly count: number } | undefined> => {
    const rows = await listSealedOtherwise(database, what, keyId, { spaceId, name }, chunkRows);
    let bytes = 0;
    const chunk = rows.filter((row, index) => (bytes += row.bytes) <= chunkBytes || index === 0);
    const last = chunk.at(-1);
    if (last === undefined) return undefined;
    await database.inTransaction(async (tx) => {
      const owner = await lockSpaceById(tx, last.spaceId);
      if (owner === undefined) return;
      await noteKey(tx, keyId, clock.now());
      for (const row of chunk) await resealRow(tx, what, row, keyId, owner);
    });
    return { last, count: chunk.length };
  };

  /** Undefined when a pass is over and nothing was left to do. */
  const next = (progress: Progress, found: Awaited<ReturnType<typeof resealChunk>>): Progress | undefined => {
    if (found !== undefined) return { ...progress, space_id: found.last.spaceId, name: found.last.name, resealed: progress.resealed + found.count };
    if (progress.what === 'entry') return { ...progress, what: 'answer', space_id: 0, name: '' };
    return progress.resealed > 0 || progress.pass === 1 ? { ...start, key_id: progress.key_id, pass: progress.pass + 1 } : undefined;
  };

  return {
    async run(job: Job) {
      let progress: Progress | undefined = job.body as Progress;
      const { key_id: keyId, pass } = progress;
      if (!keyRing.hasKey(keyId)) throw new Unavailable(`the key ring here lacks ${keyId}`);
      // A newer key has a job of its own.
      if (keyRing.newestKey() !== keyId) return;
      for (let chunks = 0; chunks < chunksPerJob && progress !== undefined && progress.pass === pass; chunks += 1) progress = next(progress, await resealChunk(progress));
      const goOn = progress;
      if (goOn === undefined) log.info({ key_id: keyId }, 'everything stored is sealed with the newest key');
      return async (tx) => {
        if (goOn === undefined) await forgetOtherKeys(tx, keyId);
        else queue.enqueue(tx, jobOf(goOn, `${job.id.split('/')[0]}/${goOn.pass}/${goOn.what}/${goOn.space_id}/${goOn.name}`, goOn.pass > pass && database.dialect === 'postgres' ? clock.now() + nextPassMs : undefined));
      };
    },
  };
}
