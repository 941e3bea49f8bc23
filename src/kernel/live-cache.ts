import type { Clock } from './clock.ts';
import type { Wakes, WakeTopic } from './wakes.ts';

/** Below the second within which a revocation must be felt on every instance (decision D3). */
const cacheMs = 900;

/** What every request asks for: at most a second old, and never older than a change by this process. */
export interface LiveCache<V> {
  find(id: string): Promise<V | undefined>;
  /** From the source, whatever is cached. */
  findFresh(id: string): Promise<V | undefined>;
  /** After a commit that changed these. */
  forget(ids: readonly string[]): void;
  /** After a commit that may have changed any. */
  clear(): void;
}

export interface LiveCacheOptions {
  readonly maxEntries?: number;
  /** How other instances are told what to forget, and tell: then they rarely are a second behind. */
  readonly shared?: { readonly wakes: Wakes; readonly topic: WakeTopic };
}

export function createLiveCache<V>(clock: Clock, findNow: (id: string, now: number) => Promise<V | undefined>, { maxEntries = 20_000, shared }: LiveCacheOptions = {}): LiveCache<V> {
  const cache = new Map<string, { readonly until: number; readonly value: Promise<V | undefined> }>();

  const read = (id: string): Promise<V | undefined> => {
    const now = clock.now();
    const value = findNow(id, now);
    // The read itself is cached, so that forget() also drops one that began before the commit.
    const entry = { until: now + cacheMs, value };
    cache.delete(id);
    cache.set(id, entry);
    if (cache.size > maxEntries) cache.delete(cache.keys().next().value!);
    value.catch(() => {
      if (cache.get(id) === entry) cache.delete(id);
    });
    return value;
  };
  const drop = (ids: readonly string[] | undefined): void => {
    if (ids === undefined) cache.clear();
    else for (const id of ids) cache.delete(id);
  };
  shared?.wakes.on(shared.topic, drop);

  return {
    find(id) {
      const cached = cache.get(id);
      return cached !== undefined && clock.now() < cached.until ? cached.value : read(id);
    },
    findFresh: read,
    forget(ids) {
      drop(ids);
      if (ids.length > 0) shared?.wakes.tell(shared.topic, ids);
    },
    clear() {
      drop(undefined);
      shared?.wakes.tell(shared.topic);
    },
  };
}
