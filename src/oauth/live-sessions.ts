import type { Clock } from '../kernel/clock.ts';

/** Below the second within which a revocation must be felt on every instance (decision D3). */
const cacheMs = 900;
const maxCached = 20_000;

/** Sessions as the request path sees them: at most a second old, and never older than a revocation by this process. */
export interface LiveSessions<S> {
  find(id: string): Promise<S | undefined>;
  /** From the database, whatever is cached. */
  findFresh(id: string): Promise<S | undefined>;
  /** After a commit that ended these sessions. */
  forget(ids: readonly string[]): void;
}

export function createLiveSessions<S>(clock: Clock, findLive: (id: string, now: number) => Promise<S | undefined>): LiveSessions<S> {
  const cache = new Map<string, { readonly until: number; readonly session: Promise<S | undefined> }>();

  const read = (id: string): Promise<S | undefined> => {
    const now = clock.now();
    const session = findLive(id, now);
    // The read itself is cached, so that forget() also drops one that began before the commit.
    const entry = { until: now + cacheMs, session };
    cache.delete(id);
    cache.set(id, entry);
    if (cache.size > maxCached) cache.delete(cache.keys().next().value!);
    session.catch(() => {
      if (cache.get(id) === entry) cache.delete(id);
    });
    return session;
  };

  return {
    find(id) {
      const cached = cache.get(id);
      return cached !== undefined && clock.now() < cached.until ? cached.session : read(id);
    },
    findFresh: read,
    forget(ids) {
      for (const id of ids) cache.delete(id);
    },
  };
}
