import type { Ear } from './repo.ts';

export interface NewStream extends Ear {
  /** Undefined for a mini-app's server, which calls with its secret or a token of its own. */
  readonly sessionId: string | undefined;
  /** Who of those that may have only so many streams: the session, or the client. */
  readonly holder: string;
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
  /** Gives its place back. */
  readonly leave: () => void;

  constructor(asked: NewStream, beatAt: number, leave: () => void) {
    this.asked = asked;
    this.beatAt = beatAt;
    this.leave = leave;
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

  add(stream: Stream): void {
    const { userId } = stream.asked;
    this.#byUser.set(userId, (this.#byUser.get(userId) ?? new Set()).add(stream));
  }

  delete(stream: Stream): void {
    const { userId } = stream.asked;
    const streams = this.#byUser.get(userId);
    streams?.delete(stream);
    if (streams?.size === 0) this.#byUser.delete(userId);
  }

  ofUser(userId: string): readonly Stream[] {
    return [...(this.#byUser.get(userId) ?? [])];
  }

  all(): readonly Stream[] {
    return [...this.#byUser.values()].flatMap((streams) => [...streams]);
  }

  userIds(): readonly string[] {
    return [...this.#byUser.keys()];
  }
}
