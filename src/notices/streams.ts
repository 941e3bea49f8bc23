import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, errorText } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { LoopHealth, type LoopReport } from '../kernel/loop-health.ts';
import { OpenPlaces } from '../kernel/open-places.ts';
import { follow } from './follow.ts';
import { listLast } from './repo.ts';
import { Stream, StreamSet, type NewStream } from './stream-set.ts';

export interface StreamOptions {
  readonly heartbeatMs: number;
  /** How long a client may leave unread what it was sent. */
  readonly slowReaderMs: number;
  /** Between two looks for what other processes did: notices, sessions that ended. Below a second (decision D3). */
  readonly pollIntervalMs: number;
  readonly maxPerSession: number;
  readonly maxStreams: number;
}

export interface StreamsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly listLiveSessions: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly options: StreamOptions;
}

/** How long a stream that is over may take to say so. */
const farewellMs = 500;
const maxSilenceMs = 30_000;
const retryMs = 1000;

/** The streams of this process, and the clock that watches over them while there are any. */
export class Streams {
  readonly #deps: StreamsDependencies;
  readonly #open = new StreamSet();
  readonly #places: OpenPlaces;
  readonly #health: LoopHealth;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #stopped = false;

  constructor(deps: StreamsDependencies) {
    this.#deps = deps;
    const { maxPerSession, maxStreams, heartbeatMs } = deps.options;
    this.#places = new OpenPlaces('streams', { perSession: maxPerSession, total: maxStreams, retryAfterMs: heartbeatMs });
    this.#health = new LoopHealth(deps.clock, maxSilenceMs);
  }

  get size(): number {
    return this.#places.taken;
  }

  /** @throws AppError RATE_LIMIT_EXCEEDED, SERVICE_UNAVAILABLE (too many streams) */
  open(asked: NewStream): { readonly text: AsyncIterable<string>; readonly cut: AbortSignal } {
    const { clock, options } = this.#deps;
    if (this.#stopped) throw new AppError('SERVICE_UNAVAILABLE', 'The server is stopping', { retryAfterMs: retryMs });
    const stream = new Stream(asked, clock.now() + options.heartbeatMs, this.#places.take(asked.holder));
    this.#open.add(stream);
    this.#timer ??= setInterval(() => this.#tick(), options.pollIntervalMs).unref();
    return { text: { [Symbol.asyncIterator]: () => this.#textOf(stream) }, cut: stream.cut.signal };
  }

  /** There is something new for these users; undefined: for anybody. */
  wake(userIds: readonly string[] | undefined): void {
    for (const stream of userIds?.flatMap((userId) => this.#open.ofUser(userId)) ?? this.#open.all()) stream.wake();
  }

  /** These sessions may have ended; undefined: any. */
  suspect(sessionIds: readonly string[] | undefined): void {
    if (sessionIds?.some((id) => this.#places.has(id)) ?? this.size > 0) this.#tick();
  }

  health(): LoopReport {
    if (this.size === 0) this.#health.succeeded();
    return this.#health.report();
  }

  /** Ends all streams, now and from now on. */
  release(): void {
    this.#stopped = true;
    for (const stream of this.#open.all()) stream.end('server_stopping', this.#deps.clock.now());
  }

  /** A client that goes while its stream waits, or before it has begun, is let go of at once: a generator alone would first wait to the end. */
  #textOf(stream: Stream): AsyncIterator<string> {
    const { clock, options } = this.#deps;
    const text = follow(stream, { ...this.#deps, heartbeatMs: options.heartbeatMs });
    return {
      next: async () => {
        const result = await text.next();
        if (result.done === true) this.#remove(stream);
        return result;
      },
      return: () => {
        this.#remove(stream);
        stream.end('session_over', clock.now());
        return text.return(undefined);
      },
    };
  }

  #remove(stream: Stream): void {
    this.#open.delete(stream);
    stream.leave();
    if (this.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    this.#lookAtClocks();
    if (this.#looking) return;
    this.#looking = true;
    this.#lookAround()
      .then(
        () => this.#health.succeeded(),
        (error: unknown) => {
          this.#health.failed(error);
          this.#deps.log.warn({ error: errorText(error) }, 'notices of other processes could not be looked for');
        },
      )
      .finally(() => (this.#looking = false));
  }

  /** Slow readers are cut, quiet streams get their heartbeat, and who is over and does not take its leave goes. */
  #lookAtClocks(): void {
    const { clock, options } = this.#deps;
    const now = clock.now();
    for (const stream of this.#open.all()) {
      const unreadMs = stream.sendingSince === undefined ? 0 : now - stream.sendingSince;
      if (unreadMs > options.slowReaderMs || (stream.endReason !== undefined && now - stream.endedAt > farewellMs)) stream.cut.abort();
      else if (now >= stream.beatAt) stream.nudge();
    }
  }

  /** What other processes did. */
  async #lookAround(): Promise<void> {
    const { database, clock, listLiveSessions } = this.#deps;
    const sessions = this.#open.all().flatMap(({ asked: { sessionId } }) => sessionId ?? []);
    const live = await listLiveSessions([...new Set(sessions)]);
    const last = await listLast(database, this.#open.userIds());
    for (const stream of this.#open.all()) {
      const { sessionId } = stream.asked;
      if (sessionId === undefined ? await this.#isShutOut(stream) : !live.has(sessionId)) stream.end('session_over', clock.now());
      else if ((last.get(stream.asked.userId) ?? 0) > stream.cursor) stream.wake();
    }
  }

  /** Whether the secret or token of a mini-app's server has ceased to be good. */
  async #isShutOut({ asked }: Stream): Promise<boolean> {
    try {
      await asked.checkAccess();
      return false;
    } catch (error) {
      if (error instanceof AppError && error.status === 401) return true;
      throw error;
    }
  }
}
