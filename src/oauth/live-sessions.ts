import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { findLiveSession, type Session } from './session-repo.ts';

/** Below the second within which a revocation must be felt on every instance (decision D3). */
const cacheMs = 900;
const maxCached = 20_000;

/** Sessions as the request path sees them: at most a second old, and never older than a revocation by this process. */
export interface LiveSessions {
  find(id: string): Promise<Session | undefined>;
  /** From the database, whatever is cached. */
  findFresh(id: string): Promise<Session | undefined>;
  /** After a commit that ended these sessions. */
  forget(ids: readonly string[]): void;
}

export function createLiveSessions(database: Database, clock: Clock): LiveSessions {
  const cache = new Map<string, { readonly until: number; readonly session: Promise<Session | undefined> }>();

  const read = (id: string): Promise<Session | undefined> => {
    const now = clock.now();
    const session = findLiveSession(database, id, now);
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
