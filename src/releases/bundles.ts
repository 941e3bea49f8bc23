import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Database, Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId } from '../kernel/ids.ts';
import { readBundle, type BundleLimits, type FileVisitor } from './bundle-check.ts';
import { beginBundle, confirmBundle, deleteRemoved, findBundle, markAbandoned, type StoredBundle } from './bundle-repo.ts';
import { incomingIn, type BundleStore, type ByteRange } from './bundle-store.ts';

export interface BundlesDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly store: BundleStore;
  /** Uploads lie here while they are looked at. */
  readonly directory: string;
  readonly limits: BundleLimits & { readonly maxBytes: number };
}

/** An upload as it came, in a file of its own until it is settled. */
export interface Upload {
  readonly file: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface Bundles {
  readonly maxBytes: number;
  /** Writes what arrives into a file and hands it to `use`; the file is gone afterwards, whatever becomes of it. */
  readonly receive: <T>(work: (take: (stream: Readable) => Promise<Upload>) => Promise<T>) => Promise<T>;
  /** Looks through the bundle and stores its bytes under their hash; a version that refers to them must follow. @throws AppError INVALID_REQUEST, REQUEST_IN_PROGRESS */
  keep(upload: Upload, declared: string | undefined): Promise<void>;
  /** Part of the transaction that refers to the bytes. @throws AppError REQUEST_IN_PROGRESS */
  readonly confirm: (tx: Transaction, sha256: string) => Promise<void>;
  find(sha256: string): Promise<StoredBundle | undefined>;
  read(sha256: string, range?: ByteRange): Promise<Readable | undefined>;
  /** Gives every file of a stored bundle to `visit`. False when its bytes are not there. */
  each(sha256: string, visit: FileVisitor): Promise<boolean>;
  /** A chore: what was stored for versions that never came to be goes. */
  readonly tidyUp: (tx: Transaction, now: number) => Promise<void>;
  readonly removing: JobKind;
  /** At the start: removes files that a process which died had not finished. Others may be at work in the same directory. */
  removeLeftovers(): Promise<void>;
}

export const removalKind = 'bundle.removal';
/** Storing takes no longer than this. */
export const abandonedMs = 60 * 60_000;
const retryAfterMs = 5000;
const going = (): AppError => new AppError('REQUEST_IN_PROGRESS', 'These bytes are being tidied away; try again', { retryAfterMs });
const nameOf = (sha256: string): string => `bundles/${sha256}`;

async function takeIn(stream: Readable, file: string): Promise<Upload> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      done(null, chunk);
    },
  });
  await pipeline(stream, measure, createWriteStream(file, { flags: 'wx', mode: 0o600 }));
  return { file, sha256: hash.digest('hex'), sizeBytes };
}

export function createBundles({ database, clock, queue, store, directory, limits }: BundlesDependencies): Bundles {
  const receive: Bundles['receive'] = async (work) => {
    const incoming = await incomingIn(directory);
    const files: string[] = [];
    try {
      return await work((stream) => {
        const file = join(incoming, newId('upload'));
        files.push(file);
        return takeIn(stream, file);
      });
    } finally {
      for (const file of files) await rm(file, { force: true });
    }
  };
  return {
    maxBytes: limits.maxBytes,
    receive,
    async keep(upload, declared) {
      if (declared !== undefined && declared !== upload.sha256) throw invalidField('sha256', `is not the bundle's: that is ${upload.sha256}`);
      const files = await readBundle(upload.file, limits);
      if (!(await database.inTransaction((tx) => beginBundle(tx, { sha256: upload.sha256, sizeBytes: upload.sizeBytes, files }, clock.now())))) throw going();
      await store.put(nameOf(upload.sha256), upload.file);
    },
    async confirm(tx, sha256) {
      if (!(await confirmBundle(tx, sha256))) throw going();
    },
    find: (sha256) => findBundle(database, sha256),
    read: (sha256, range) => store.open(nameOf(sha256), range),
    async each(sha256, visit) {
      const stream = await store.open(nameOf(sha256));
      if (stream === undefined) return false;
      await receive(async (take) => readBundle((await take(stream)).file, limits, visit));
      return true;
    },
    async removeLeftovers() {
      const incoming = join(directory, 'incoming');
      // Not there before the first upload.
      for (const name of await readdir(incoming).catch(() => [])) {
        const file = join(incoming, name);
        const found = await stat(file).catch(() => undefined);
        if (found !== undefined && found.mtimeMs < clock.now() - abandonedMs) await rm(file, { force: true });
      }
    },
    async tidyUp(tx, now) {
      for (const sha256 of await markAbandoned(tx, now - abandonedMs)) queue.enqueue(tx, { stream: `bundle:${sha256}`, kind: removalKind, body: { sha256 } });
    },
    removing: {
      async run({ body }) {
        const { sha256 } = body as { sha256: string };
        await store.remove(nameOf(sha256));
        return (tx) => deleteRemoved(tx, sha256);
      },
    },
  };
}
