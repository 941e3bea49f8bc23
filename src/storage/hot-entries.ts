import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { findLiveEntryAndState, findState } from './repo.ts';
import type { Owner, SealedEntry } from './types.ts';
import { spaceName } from './watch.ts';

/** Entries that were read lately, sealed as they are in the database: nothing lies open in memory that does not lie open on the disk. */
export interface HotEntries {
  /** As it is now: neither expired nor older than what any process has committed. */
  find(owner: Owner, key: string): Promise<SealedEntry | undefined>;
  /** Something was committed in the spaces of these names; undefined: in any. */
  forget(names: readonly string[] | undefined): void;
}

export interface HotEntriesDependencies {
  readonly database: Database;
  readonly clock: Clock;
  /** Of all that is kept; 0: nothing is. */
  readonly maxBytes: number;
}

interface HotSpace {
  /** Of the space, when its entries were read: what was written since has another. */
  readonly state: string;
  readonly entries: Map<string, SealedEntry>;
  bytes: number;
}

/** What an entry costs beside its value, about. */
const overheadBytes = 500;

/**
 * On SQLite this process is the only one that writes, and drops what it changes as soon as that is committed. On PostgreSQL each
 * hit asks for the space's state: hints from other processes may be late, and an acknowledged write must be seen at once.
 */
export function createHotEntries({ database, clock, maxBytes }: HotEntriesDependencies): HotEntries {
  /** The least recently used first. */
  const spaces = new Map<string, HotSpace>();
  let bytes = 0;
  /** Of commits that were heard of: what was read across one is not kept. */
  let commits = 0;

  const drop = (name: string): void => {
    bytes -= spaces.get(name)?.bytes ?? 0;
    spaces.delete(name);
  };
  const isCurrent = async (owner: Owner, { state }: HotSpace): Promise<boolean> => database.dialect === 'sqlite' || (await findState(database, owner)) === state;

  const keep = (name: string, state: string, entry: SealedEntry): void => {
    const cost = overheadBytes + (entry.value?.sealed.length ?? 0);
    if (cost > maxBytes) return;
    if (spaces.get(name)?.state !== state) drop(name);
    const space = spaces.get(name) ?? { state, entries: new Map<string, SealedEntry>(), bytes: 0 };
    const before = space.entries.get(entry.key);
    const growth = cost - (before === undefined ? 0 : overheadBytes + (before.value?.sealed.length ?? 0));
    space.entries.set(entry.key, entry);
    space.bytes += growth;
    bytes += growth;
    spaces.delete(name);
    spaces.set(name, space);
    for (const oldest of spaces.keys()) {
      if (bytes <= maxBytes) break;
      drop(oldest);
    }
  };

  return {
    async find(owner, key) {
      const name = spaceName(owner);
      const space = spaces.get(name);
      const hot = space?.entries.get(key);
      if (space !== undefined && hot !== undefined && (await isCurrent(owner, space))) return hot.expiresAt === undefined || hot.expiresAt > clock.now() ? { ...hot } : undefined;
      const seen = commits;
      const found = await findLiveEntryAndState(database, owner, key, clock.now());
      if (found === undefined) return undefined;
      if (seen === commits) keep(name, found.state, { ...found.entry });
      return found.entry;
    },
    forget(names) {
      commits += 1;
      for (const name of names ?? [...spaces.keys()]) drop(name);
    },
  };
}
