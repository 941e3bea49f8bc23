import type { Database, Queryable } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { RecordAudit } from '../security/audit/index.ts';
import { clearAttempts, findAttempts, lockAttempts, saveAttempts, type AttemptState } from './attempt-repo.ts';
import { methodOf, type AttemptPolicy, type Factor } from './types.ts';

/** An attempt that is counted: what it leads to if it turns out wrong. */
export interface Attempt {
  readonly remaining: number;
  /** Set when this was the last one before a lock. */
  readonly lockedUntil: number | undefined;
}

/** Counts attempts per user and factor, across challenges, confirmations, step-ups, instances and restarts (decision D7). */
export interface Attempts {
  /** Counts an attempt and commits that, before anybody judges it. Throws MFA_LOCKED. */
  begin(userId: UserId, factor: Factor): Promise<Attempt>;
  /** Throws MFA_LOCKED; counts nothing. */
  assertOpen(userId: UserId, factor: Factor): Promise<void>;
  /** The only thing that resets the counter. */
  succeed(db: Queryable, userId: UserId, factor: Factor): Promise<void>;
  stateOf(userId: UserId): Promise<Map<Factor, AttemptState>>;
}

/** What one more failure makes of the counter: each `maxAttempts`-th locks, and each lock is twice as long as the one before. */
export function nextAttempt(state: AttemptState, now: number, policy: AttemptPolicy): AttemptState {
  const failures = state.failures + 1;
  if (failures % policy.maxAttempts !== 0) return { failures, lockedUntil: state.lockedUntil };
  const locks = failures / policy.maxAttempts;
  return { failures, lockedUntil: now + Math.min(policy.maxLockMs, policy.lockMs * 2 ** Math.min(locks - 1, 30)) };
}

function locked(factor: Factor, lockedUntil: number, now: number): AppError {
  return new AppError('MFA_LOCKED', `Too many wrong attempts: this method is locked until ${isoTime(lockedUntil)}`, {
    details: { method: methodOf[factor], locked_until: isoTime(lockedUntil), attempts_remaining: 0 },
    retryAfterMs: lockedUntil - now,
  });
}

/** The 401 for a wrong proof (section 12.2), with how many are left. */
export const refused = (factor: Factor, attempt: Attempt, code: 'INVALID_MFA_CREDENTIALS' | 'INVALID_SIGNATURE', message: string): AppError =>
  new AppError(code, message, {
    details: { method: methodOf[factor], attempts_remaining: attempt.remaining, ...(attempt.lockedUntil === undefined ? {} : { locked_until: isoTime(attempt.lockedUntil) }) },
  });

export interface AttemptsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly policy: AttemptPolicy;
  readonly audit: RecordAudit;
}

export function createAttempts({ database, clock, policy, audit }: AttemptsDependencies): Attempts {
  return {
    begin: (userId, factor) =>
      database.inTransaction(async (tx) => {
        const now = clock.now();
        const state = await lockAttempts(tx, userId, factor);
        if (state.lockedUntil > now) throw locked(factor, state.lockedUntil, now);
        const next = nextAttempt(state, now, policy);
        await saveAttempts(tx, userId, factor, next);
        const used = next.failures % policy.maxAttempts;
        // The last one that there is, which a right proof undoes again.
        if (used === 0 && next.lockedUntil > now) await audit(tx, { actor: { kind: 'user', id: userId }, action: 'factor.locked', target: { kind: 'user', id: userId }, result: 'refused', details: { factor, failures: next.failures, locked_until: isoTime(next.lockedUntil) } });
        return { remaining: used === 0 ? 0 : policy.maxAttempts - used, lockedUntil: used === 0 ? next.lockedUntil : undefined };
      }),
    async assertOpen(userId, factor) {
      const now = clock.now();
      const lockedUntil = (await findAttempts(database, userId)).get(factor)?.lockedUntil ?? 0;
      if (lockedUntil > now) throw locked(factor, lockedUntil, now);
    },
    async succeed(db, userId, factor) {
      await clearAttempts(db, userId, factor);
    },
    stateOf: (userId) => findAttempts(database, userId),
  };
}
