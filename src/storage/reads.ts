import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { endOfPrefix } from './keys.ts';
import { buryExpired, countExpired, findSpace, listChanges, listLiveEntries, listLiveEntriesOf, lockSpace, saveSpace } from './repo.ts';
import type { Entry, OpenEntry, Owner, SealedEntry, Told } from './types.ts';
import type { Vault } from './vault.ts';

export interface ReaderDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly vault: Vault;
  /** A single entry that holds now. */
  readonly find: (owner: Owner, key: string) => Promise<SealedEntry | undefined>;
  /** In each transaction that changes something. */
  readonly tell: (tx: Transaction, told: Told) => void;
}

export interface Usage {
  readonly bytes: number;
  readonly keys: number;
  readonly rev: number;
}

export interface Page {
  readonly entries: readonly Entry[];
  readonly more: boolean;
}

export interface Changes {
  readonly changes: readonly OpenEntry[];
  /** To be given as `since` the next time. */
  readonly next: number;
  readonly more: boolean;
  /** When something here will expire, at the earliest. */
  readonly nextExpiryAt: number | undefined;
}

/** What reads show is what holds at that moment: nothing that has expired, whether or not anybody has cleared it away. */
export interface Reader {
  get(owner: Owner, key: string): Promise<OpenEntry | undefined>;
  getMany(owner: Owner, keys: readonly string[]): Promise<Map<string, OpenEntry>>;
  /** In the order of the keys' bytes. */
  list(owner: Owner, page: { readonly prefix: string; readonly after: string | undefined; readonly limit: number }): Promise<Page>;
  usage(owner: Owner): Promise<Usage>;
  /**
   * What changed behind revision `since`, in order: the latest state of each key; what was deleted or has expired without a value.
   * @throws AppError RESYNC_REQUIRED when deletions behind `since` are forgotten, or nothing here ever had that revision
   */
  changes(owner: Owner, since: number, limit: number): Promise<Changes>;
  /** Everything, page by page, in the order of the keys' bytes. */
  all(owner: Owner): AsyncGenerator<OpenEntry>;
}

/** About as much as one answer carries; a single value may be larger. */
const maxFeedBytes = 4 * 1024 * 1024;
const exportPage = 50;

export function createReader(deps: ReaderDependencies): Reader {
  const { database, clock, vault } = deps;
  const open = (owner: Owner, entry: SealedEntry): OpenEntry => Object.assign(entry, { json: entry.value === undefined ? undefined : vault.open(owner, entry.key, entry.value) });

  const getMany: Reader['getMany'] = async (owner, keys) => new Map((await listLiveEntriesOf(database, owner, keys, clock.now())).map((entry) => [entry.key, open(owner, entry)]));

  const list: Reader['list'] = async (owner, { prefix, after, limit }) => {
    const entries = await listLiveEntries(database, owner, { from: prefix, before: endOfPrefix(prefix), after, limit: limit + 1 }, clock.now());
    return { entries: entries.slice(0, limit), more: entries.length > limit };
  };

  /** So that the feed shows what has expired as gone, at its place. */
  const bury = (owner: Owner): Promise<void> =>
    database.inTransaction(async (tx) => {
      const space = await lockSpace(tx, owner);
      const now = clock.now();
      if (space.nextExpiryAt === undefined || space.nextExpiryAt > now) return;
      const changes = await buryExpired(tx, space, now);
      await saveSpace(tx, space);
      deps.tell(tx, { owner, changes, rev: space.rev, bySession: undefined });
    });

  return {
    async get(owner, key) {
      const entry = await deps.find(owner, key);
      return entry === undefined ? undefined : open(owner, entry);
    },
    getMany,
    list,
    async usage(owner) {
      const now = clock.now();
      const space = await findSpace(database, owner);
      if (space === undefined) return { bytes: 0, keys: 0, rev: 0 };
      const expired = space.nextExpiryAt !== undefined && space.nextExpiryAt <= now ? await countExpired(database, space.id, now) : { bytes: 0, keys: 0 };
      return { bytes: space.bytes - expired.bytes, keys: space.keys - expired.keys, rev: space.rev };
    },
    async changes(owner, since, limit) {
      let before = await findSpace(database, owner);
      if (before?.nextExpiryAt !== undefined && before.nextExpiryAt <= clock.now()) {
        await bury(owner);
        before = await findSpace(database, owner);
      }
      const found = before === undefined ? [] : await listChanges(database, before.id, since, limit, maxFeedBytes);
      // Looked at last: deletions that were forgotten meanwhile are missing above, and then the floor says so.
      const space = await findSpace(database, owner);
      if (since > 0 && (space === undefined || since < space.floor || since > space.rev)) {
        throw new AppError('RESYNC_REQUIRED', 'What changed since then is not known any more: read everything again, from since=0', { details: { since } });
      }
      // Of what was committed before the feed was read, nothing is missing in it; of what came meanwhile, something may be.
      const known = before?.rev ?? 0;
      const next = found.at(-1)?.rev ?? Math.max(since, known);
      return { changes: found.map((entry) => open(owner, entry)), next, more: next < known, nextExpiryAt: space?.nextExpiryAt };
    },
    async *all(owner) {
      for (let after: string | undefined; ; ) {
        const { entries, more } = await list(owner, { prefix: '', after, limit: exportPage });
        const opened = await getMany(owner, entries.map(({ key }) => key));
        for (const { key } of entries) {
          const entry = opened.get(key);
          if (entry !== undefined) yield entry;
        }
        if (!more) return;
        after = entries.at(-1)!.key;
      }
    },
  };
}
