import type { Ear } from './repo.ts';

export interface NewStream extends Ear {
  readonly sessionId: string;
  /** The last event that the client has; undefined: from now on. */
  readonly lastEventId: number | undefined;
  /** Throws when the token has ceased to be good. */
  readonly checkAccess: () => Promise<void>;
}

/** Why a stream ends; `session_over` is not worth coming again. */
export type EndReason = 'session_over' | 'server_stopping';

/** One client that listens. Its text is made by whoever follows it; others only wake it, end it, or cut it off. */
export class Stream {
  readonly asked: NewStream;
  readonly cut = new AbortController();
  /** All up to here was sent, or is not for this ear. */
  cursor = 0;
  /** When it is to show its life. */
  beatAt: number;
  /** Since when the client has not taken what it was sent. */
  sendingSince: number | undefined;
  endReason: EndReason | undefined;
  endedAt = 0;
  #fresh = false;
  #resume: () => void = () => {};

  constructor(asked: NewStream, beatAt: number) {
    this.asked = asked;
    this.beatAt = beatAt;
  }

  /** There may be something new. */
  wake(): void {
    this.#fresh = true;
    this.#resume();
  }

  /** Lets it look at its clock. */
  nudge(): void {
    this.#resume();
  }

  end(reason: EndReason, now: number): void {
    if (this.endReason !== undefined) return;
    this.endReason = reason;
    this.endedAt = now;
    this.#resume();
  }

  /** Before looking for what is new: what comes after this is not missed. */
  takeFresh(): void {
    this.#fresh = false;
  }

  /** Until there may be something new, or it is to show its life or to end. */
  pause(now: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#fresh || this.endReason !== undefined || now >= this.beatAt) return resolve();
      this.#resume = resolve;
    });
  }
}

/** The streams that are open in this process. */
export class StreamSet {
  readonly #byUser = new Map<string, Set<Stream>>();
  readonly #perSession = new Map<string, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(stream: Stream): void {
    const { userId, sessionId } = stream.asked;
    this.#size += 1;
    this.#perSession.set(sessionId, this.ofSession(sessionId) + 1);
    this.#byUser.set(userId, (this.#byUser.get(userId) ?? new Set()).add(stream));
  }

  delete(stream: Stream): void {
    const { userId, sessionId } = stream.asked;
    const streams = this.#byUser.get(userId);
    if (streams?.delete(stream) !== true) return;
    if (streams.size === 0) this.#byUser.delete(userId);
    this.#size -= 1;
    const left = this.ofSession(sessionId) - 1;
    if (left === 0) this.#perSession.delete(sessionId);
    else this.#perSession.set(sessionId, left);
  }

  ofSession(sessionId: string): number {
    return this.#perSession.get(sessionId) ?? 0;
  }

  ofUser(userId: string): readonly Stream[] {
    return [...(this.#byUser.get(userId) ?? [])];
  }

  all(): readonly Stream[] {
    return [...this.#byUser.values()].flatMap((streams) => [...streams]);
  }

  sessionIds(): readonly string[] {
    return [...this.#perSession.keys()];
  }

  userIds(): readonly string[] {
    return [...this.#byUser.keys()];
  }
}
