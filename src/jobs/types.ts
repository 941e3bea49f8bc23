import type { Transaction } from '../database/index.ts';

/** Work to be queued. Jobs of one stream run one after another, in the order in which their transactions committed. */
export interface NewJob {
  /** What must stay in order: a room, a webhook endpoint, or one deadline. */
  readonly stream: string;
  readonly kind: string;
  /** What the handler gets back: an object, or the JSON text of one that nobody has parsed yet. */
  readonly body: object | string;
  /** A second job with the same id is not queued, however long ago the first one ran (within the retention time). */
  readonly id?: string;
  /** Not before this time, milliseconds since the epoch; it holds back the jobs behind it in its stream. */
  readonly runAt?: number;
}

export interface Job {
  readonly id: string;
  readonly stream: string;
  readonly kind: string;
  readonly body: unknown;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly createdAt: number;
  /** When the last attempt began whose outcome nobody recorded: its effect outside may or may not have happened. */
  readonly unsettledSince: number | undefined;
}

/** What a handler leaves to be written in the transaction that also marks its job done: all or nothing, once. */
export type Recording = (tx: Transaction) => Promise<void>;

export interface JobKind {
  /** Does what must be done outside the database. A throw is a failed attempt; see the error classes below. */
  run(job: Job): Promise<Recording | void>;
  /** Tries before the job is parked; the configured number when absent. */
  readonly maxAttempts?: number;
  /** Delay before the second try, doubled for each further one. */
  readonly backoffBaseMs?: number;
  /** Forget the body once the job is done: it holds what people wrote. */
  readonly forgetBody?: boolean;
}

/** Trying again can't help: the job is parked at once and its stream goes on. */
export class Park extends Error {
  override readonly name = 'Park';
}

/** What the job needs is away: it is tried until it is back, which never parks it. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

/** The other side asked for a pause; not counted as a failed attempt. */
export class RateLimited extends Error {
  override readonly name = 'RateLimited';
  readonly retryAfterMs: number;
  constructor(retryAfterMs: number, message: string) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}
