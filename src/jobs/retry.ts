import type { Transaction } from '../database/index.ts';
import { errorText } from '../kernel/errors.ts';
import { randomFraction } from '../kernel/ids.ts';
import { markForRetry, markParked } from './repo.ts';
import { Park, RateLimited, Unavailable, type Job, type JobKind } from './types.ts';

export interface RetryOptions {
  readonly maxAttempts: number;
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
}

/** Longest pause between two looks whether something that was away is back. */
const unavailableCapMs = 60_000;

/** Delay before the next try: exponential, with jitter over its upper half so that a crowd does not return as one. */
export function backoffMs(attempt: number, baseMs: number, capMs: number, random: number): number {
  const full = Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, 40));
  return Math.round(full / 2 + (full / 2) * random);
}

/** Decides what a failed attempt leads to, writes it, and says it. */
export async function recordFailure(tx: Transaction, job: Pick<Job, 'id' | 'attempt' | 'createdAt'>, kind: JobKind | undefined, error: unknown, options: RetryOptions, now: number): Promise<'retry' | 'waiting' | 'parked'> {
  const text = errorText(error);
  if (error instanceof RateLimited) {
    await markForRetry(tx, job.id, { at: now + error.retryAfterMs, error: text, counted: false, settled: true });
    return 'waiting';
  }
  if (error instanceof Unavailable) {
    const patience = 1 + Math.floor(Math.log2(1 + (now - job.createdAt) / options.backoffBaseMs));
    const at = now + backoffMs(patience, options.backoffBaseMs, Math.min(options.backoffCapMs, unavailableCapMs), randomFraction());
    await markForRetry(tx, job.id, { at, error: text, counted: false, settled: false });
    return 'waiting';
  }
  if (error instanceof Park || job.attempt >= (kind?.maxAttempts ?? options.maxAttempts)) {
    await markParked(tx, job.id, text, now);
    return 'parked';
  }
  const at = now + backoffMs(job.attempt, kind?.backoffBaseMs ?? options.backoffBaseMs, options.backoffCapMs, randomFraction());
  await markForRetry(tx, job.id, { at, error: text, counted: true, settled: false });
  return 'retry';
}
