import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { JsonText } from '../kernel/json-text.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import { OpenPlaces } from '../kernel/open-places.ts';
import type { Wakes } from '../kernel/wakes.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { valueBody } from './answers.ts';
import { createHotEntries } from './hot-entries.ts';
import { eraseSpaces, emptySpace, findLiveEntry, findSpace, listNamespaces, lockSpace } from './repo.ts';
import { createReader, type Changes, type Reader } from './reads.ts';
import { createReseal } from './reseal.ts';
import type { Answered, Caller, Limits, OpenEntry, Owner, SealedEntry, Told, Write } from './types.ts';
import { createVault } from './vault.ts';
import { purgeAnswers, purgeTombstones, sweepExpired } from './sweep-repo.ts';
import { createWatch, spaceName } from './watch.ts';
import { createWriter, type Writer } from './writes.ts';

export interface StorageDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly keyRing: KeyRing;
  readonly queue: JobQueue;
  readonly limits: Limits;
  readonly pollIntervalMs: number;
  /** For entries that are read often; 0: none are kept. */
  readonly cacheBytes: number;
  /** How many requests may wait for changes at once. */
  readonly waiting: { readonly perSession: number; readonly total: number };
  readonly wakes: Wakes;
  /** How long deletions, and answers to writes that may come again, are remembered. */
  readonly tombstoneMs: number;
  readonly requireSession: (tx: Transaction, sessionId: string) => Promise<void>;
  /** In each transaction that changes something: for the user's other devices. */
  readonly tellDevices: (tx: Transaction, told: Told) => void;
}

/** What mini-apps store for their users (specification section 10.3, decision D9). */
export interface Storage extends Omit<Reader, 'get' | 'all'>, Writer {
  readonly limits: Limits;
  /** @throws AppError NOT_FOUND */
  get(owner: Owner, key: string): Promise<OpenEntry>;
  /** One write. @throws AppError as `Writer.write` does */
  writeOne(caller: Caller, write: Write): Promise<Answered>;
  /** As `changes`, but when there are none it waits for some until `untilMs`, or until the caller is gone. `checkAccess` is asked again after waiting. @throws AppError RATE_LIMIT_EXCEEDED, SERVICE_UNAVAILABLE (too many wait) */
  waitForChanges(caller: Caller, since: number, limit: number, wait: { readonly untilMs: number; readonly gone: () => AbortSignal; readonly checkAccess: () => Promise<void> }): Promise<Changes>;
  /** Everything that a user has with one mini-app, in the order of the keys' bytes. */
  exportAll(owner: Owner): AsyncIterable<OpenEntry>;
  /** For administrators: everything that a user has with any mini-app, as JSON objects, each with the `namespace` that it belongs to. */
  exportUser(userId: UserId): AsyncIterable<JsonText>;
  /** Deletes all of it, with what is remembered of deletions and answers: when the app is uninstalled. Of the entries only the number of the last revision stays, so that devices notice. */
  clear(tx: Transaction, owner: Owner): Promise<void>;
  /** Deletes all that any mini-app stored for a user, without a trace: when the account is erased. */
  erase(tx: Transaction, userId: UserId): Promise<void>;
  /** A chore: clears away what has expired, and what is remembered of deletions and answers for longer than it need be. Nobody sees a difference, but who was away for that long. True when there is more. */
  sweep(tx: Transaction, now: number): Promise<boolean>;
  /** The job that seals everything again after a rotation of keys (`resealJob`). */
  readonly resealing: JobKind;
  /** Ends the waiting of requests, before the listener is closed. */
  stopWaiting(): void;
}

/** Spaces, or rows, that one run of the chore cares for: other writers wait for it on SQLite. */
const sweptAtOnce = 500;

async function* everythingOf(userId: UserId, database: Database, reader: Reader): AsyncGenerator<JsonText> {
  for (const namespace of await listNamespaces(database, userId)) {
    for await (const entry of reader.all({ userId, namespace })) yield valueBody(entry, `"namespace":${JSON.stringify(namespace)},`);
  }
}

async function hasChanged({ database, clock }: Pick<StorageDependencies, 'database' | 'clock'>, owner: Owner, rev: number): Promise<boolean> {
  const space = await findSpace(database, owner);
  return space !== undefined && (space.rev > rev || (space.nextExpiryAt !== undefined && space.nextExpiryAt <= clock.now()));
}

export function createStorage(deps: StorageDependencies): Storage {
  const { database, clock, log, limits } = deps;
  const vault = createVault(deps.keyRing, log);
  const watch = createWatch({ clock, log, hasChanged: (owner, rev) => hasChanged(deps, owner, rev), pollIntervalMs: deps.pollIntervalMs });
  const onChanged = (owner: Owner): void => deps.wakes.tell('storage', [spaceName(owner)]);
  const hot = deps.cacheBytes > 0 ? createHotEntries({ database, clock, maxBytes: deps.cacheBytes }) : undefined;
  const find = (owner: Owner, key: string): Promise<SealedEntry | undefined> => (hot === undefined ? findLiveEntry(database, owner, key, clock.now()) : hot.find(owner, key));
  deps.wakes.on('storage', (names) => {
    hot?.forget(names);
    watch.notify(names);
  });
  const places = new OpenPlaces('requests that wait for changes', { ...deps.waiting, retryAfterMs: 1000 });
  const tell = (tx: Transaction, told: Told): void => {
    deps.tellDevices(tx, told);
    tx.afterCommit(() => onChanged(told.owner));
  };
  const reader = createReader({ database, clock, vault, find, tell });
  const writer = createWriter({ database, clock, vault, limits, requireSession: deps.requireSession, tell });

  return {
    ...reader,
    ...writer,
    limits,
    async get(owner, key) {
      const entry = await reader.get(owner, key).catch((error: unknown) => {
        // What does not open is mended on the disk.
        hot?.forget([spaceName(owner)]);
        throw error;
      });
      if (entry === undefined) throw new AppError('NOT_FOUND', 'Nothing is stored under this key');
      return entry;
    },
    async writeOne(caller, write) {
      const [outcome] = await writer.write(caller, [write], false);
      return outcome!;
    },
    async waitForChanges(caller, since, limit, { untilMs, gone, checkAccess }) {
      let found = await reader.changes(caller, since, limit);
      if (found.changes.length > 0 || clock.now() >= untilMs) return found;
      const leave = places.take(caller.sessionId);
      const signal = gone();
      try {
        do {
          await watch.wait(caller, found.next, Math.min(untilMs, found.nextExpiryAt ?? untilMs), signal);
          await checkAccess();
          found = await reader.changes(caller, since, limit);
        } while (found.changes.length === 0 && clock.now() < untilMs && !signal.aborted && !watch.stopped());
        return found;
      } finally {
        leave();
      }
    },
    exportAll: (owner) => reader.all(owner),
    exportUser: (userId) => everythingOf(userId, database, reader),
    async clear(tx, owner) {
      await emptySpace(tx, await lockSpace(tx, owner));
      tx.afterCommit(() => onChanged(owner));
    },
    async erase(tx, userId) {
      await eraseSpaces(tx, userId);
      tx.afterCommit(() => deps.wakes.tell('storage'));
    },
    async sweep(tx, now) {
      const expired = await sweepExpired(tx, now, sweptAtOnce);
      expired.forEach((told) => tell(tx, told));
      return Math.max(expired.length, await purgeTombstones(tx, now - deps.tombstoneMs, sweptAtOnce), await purgeAnswers(tx, now - deps.tombstoneMs, sweptAtOnce)) >= sweptAtOnce;
    },
    resealing: createReseal({ ...deps, vault }),
    stopWaiting: () => watch.stop(),
  };
}
