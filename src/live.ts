import type { Config } from './config/index.ts';
import type { Database } from './database/index.ts';
import type { JobQueue } from './jobs/index.ts';
import type { Clock } from './kernel/clock.ts';
import type { Log } from './kernel/log.ts';
import type { Wakes } from './kernel/wakes.ts';
import { createNotices, type Notices } from './notices/index.ts';
import type { OAuth } from './oauth/index.ts';
import type { KeyRing } from './security/key-ring.ts';
import { createStorage, type Storage } from './storage/index.ts';

export interface LiveDependencies {
  readonly config: Config;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly wakes: Wakes;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** How many changes of stored entries one notice names. */
const namedChanges = 100;

/** Live notices to users' devices. */
export function buildNotices(deps: LiveDependencies & { readonly oauth: () => OAuth }): Notices {
  const { events } = deps.config;
  return createNotices({
    ...deps,
    listLiveSessions: (ids) => deps.oauth().listLiveSessions(ids),
    options: {
      retentionMs: events.retention_hours * hourMs,
      heartbeatMs: events.heartbeat_seconds * 1000,
      slowReaderMs: events.slow_reader_seconds * 1000,
      pollIntervalMs: events.poll_interval_ms,
      maxPerSession: events.max_streams_per_session,
      maxStreams: events.max_streams,
    },
  });
}

/** What mini-apps store, whose changes users' other devices hear of. */
export function buildStorage(deps: LiveDependencies & { readonly keyRing: KeyRing; readonly queue: JobQueue; readonly oauth: OAuth; readonly notices: Notices }): Storage {
  const { oauth, notices } = deps;
  const { storage } = deps.config;
  return createStorage({
    ...deps,
    limits: { maxBytes: storage.max_bytes, maxValueBytes: storage.max_value_bytes, maxKeyBytes: storage.max_key_bytes, maxKeys: storage.max_keys, maxTtlMs: storage.max_ttl_seconds * 1000 },
    pollIntervalMs: storage.poll_interval_ms,
    cacheBytes: storage.cache_bytes,
    waiting: { perSession: storage.max_waiting_per_session, total: storage.max_waiting },
    tombstoneMs: storage.tombstone_days * dayMs,
    requireSession: (tx, sessionId) => oauth.requireSession(tx, sessionId),
    tellDevices: (tx, { owner, changes, rev, bySession }) =>
      notices.publish(tx, {
        userId: owner.userId,
        kind: 'storage.changed',
        audience: owner.namespace,
        forHost: false,
        ...(bySession === undefined ? {} : { exceptSession: bySession }),
        body: { rev, changes: changes.slice(0, namedChanges), has_more: changes.length > namedChanges },
      }),
  });
}
