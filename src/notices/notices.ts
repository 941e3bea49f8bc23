import type { Database, Transaction } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import type { MiniAppId, UserId } from '../kernel/ids.ts';
import { writeJson } from '../kernel/json-text.ts';
import type { Log } from '../kernel/log.ts';
import type { LoopReport } from '../kernel/loop-health.ts';
import type { Wakes } from '../kernel/wakes.ts';
import { appendNotices, eraseNotices, purgeNotices, type NoticeRow } from './repo.ts';
import type { NewStream } from './stream-set.ts';
import { Streams, type StreamOptions } from './streams.ts';

/** Something that a user's devices should hear of as it happens. Never a secret, nor what is stored: ids and states, to be looked up. */
export interface NewNotice {
  readonly userId: UserId;
  /** `storage.changed`, `transfer.updated`, …: as in `schema/openapi.yaml`, `Notice`. */
  readonly kind: string;
  /** Whose tokens hear of it, besides the host client's: a mini-app's id or a reserved audience. */
  readonly audience?: string;
  /** False: nobody but `audience` hears of it, not even the host client (decision D21). */
  readonly forHost?: boolean;
  /** The session that did it, which knows already. */
  readonly exceptSession?: string;
  /** Members of the notice beside `kind` and `at`. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Something that a mini-app's own server should hear of as it happens, in a feed of the app's own. */
export interface AppNotice {
  readonly miniappId: MiniAppId;
  readonly kind: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** `GET /api/v1/events`: live notices to a user's devices, and to mini-apps' servers (decision D21). */
export interface Notices {
  /** In the transaction of the change: it is told if and only if that commits, in the order of commits. */
  publish(tx: Transaction, notice: NewNotice): void;
  /** The same for a mini-app's own server: nobody else hears of it. */
  publishToApp(tx: Transaction, notice: AppNotice): void;
  /** A stream of server-sent events from now on, or from behind `lastEventId`. @throws AppError RATE_LIMIT_EXCEEDED, SERVICE_UNAVAILABLE (too many streams) */
  open(stream: NewStream): { readonly text: AsyncIterable<string>; readonly cut: AbortSignal };
  /** A chore: forgets what is older than is to be kept. True when there is more. */
  tidyUp(tx: Transaction, now: number): Promise<boolean>;
  /** Part of an erasure. Returns how many notices there were. */
  erase(tx: Transaction, userId: UserId): Promise<number>;
  /** Streams that are open in this process. */
  count(): number;
  health(): LoopReport;
  /** Ends all streams, now and from now on; their clients come again with what they last heard. */
  release(): void;
}

export interface NoticesDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly wakes: Wakes;
  /** Which of these sessions live. */
  readonly listLiveSessions: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly options: StreamOptions & { readonly retentionMs: number };
}

/** Users whose notices one run of the chore cares for. */
const purgedAtOnce = 2000;
/** Before the queue's hook: everybody locks feeds first, then streams of jobs. */
const rank = -1;

export function createNotices(deps: NoticesDependencies): Notices {
  const { clock, wakes, options } = deps;
  const buffers = new WeakMap<Transaction, NoticeRow[]>();
  const key = {};
  const streams = new Streams(deps);
  wakes.on('notices', (userIds) => streams.wake(userIds));
  wakes.on('sessions', (ids) => streams.suspect(ids));

  const append = (tx: Transaction, row: NoticeRow): void => {
    const buffered = buffers.get(tx);
    if (buffered !== undefined) {
      buffered.push(row);
      return;
    }
    const rows = [row];
    buffers.set(tx, rows);
    tx.beforeCommit(key, () => appendNotices(tx, rows), rank);
    tx.afterCommit(() => wakes.tell('notices', [...new Set(rows.map((one) => one.user_id))]));
  };

  return {
    publish(tx, { userId, kind, audience, forHost = true, exceptSession, body }) {
      const now = clock.now();
      append(tx, { user_id: userId, kind, audience: audience ?? null, for_host: forHost ? 1 : 0, session_id: exceptSession ?? null, body: writeJson({ kind, at: isoTime(now), ...body }), created_at: now });
    },
    publishToApp(tx, { miniappId, kind, body }) {
      const now = clock.now();
      append(tx, { user_id: miniappId, kind, audience: miniappId, for_host: 0, session_id: null, body: writeJson({ kind, at: isoTime(now), ...body }), created_at: now });
    },
    open: (stream) => streams.open(stream),
    tidyUp: async (tx, now) => (await purgeNotices(tx, now - options.retentionMs, purgedAtOnce)) >= purgedAtOnce,
    erase: (tx, userId) => eraseNotices(tx, userId),
    count: () => streams.size,
    health: () => streams.health(),
    release: () => streams.release(),
  };
}
