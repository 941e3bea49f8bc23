import type { Database, Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import type { Changes } from './changes.ts';
import { listEnrolled, lockUser } from './factor-repo.ts';
import { findPendingReset, insertPinReset, settleReset } from './pin-repo.ts';
import type { GivenPin, Pins } from './pins.ts';
import type { Evidence, Requester } from './types.ts';

export interface PinChangesDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly changes: Changes;
  readonly pins: Pins;
  /** How long a reset waits, so that it can be seen and cancelled (decision D20). */
  readonly resetMs: number;
}

export interface PinChanges {
  /** Sets the first PIN, or another one. Throws INVALID_REQUEST for a weak one, and what `Changes.permit` throws. */
  set(requester: Requester, given: GivenPin, evidence: Evidence | undefined): Promise<{ readonly isNew: boolean; readonly limitsLoweredUntil: number | undefined }>;
  /**
   * The first PIN, as part of something else: what is returned sets it in that transaction, and throws MFA_REQUIRED when another factor was
   * enrolled meanwhile. Throws INVALID_REQUEST naming `field` for a weak one and for who has a factor already, FRESH_SIGN_IN_REQUIRED.
   */
  prepareFirst(requester: Requester, pin: string, field: string): Promise<(tx: Transaction) => Promise<void>>;
  /**
   * Asks for another PIN without knowing the old one: it takes effect later, unless it is cancelled. Throws
   * FRESH_SIGN_IN_REQUIRED, NOT_FOUND without a PIN, ALREADY_EXISTS when one waits already.
   */
  requestReset(requester: Requester, given: GivenPin): Promise<{ readonly resetId: string; readonly effectiveAt: number }>;
  /** Throws NOT_FOUND when none waits. */
  cancelReset(userId: UserId): Promise<void>;
}

/** The same where this program keeps the PINs. */
export interface OwnPinChanges extends PinChanges {
  /** Puts a reset into effect when its time has come. */
  readonly resetJob: JobKind;
  /** The same for one user, where no job does it. */
  applyDueReset(userId: UserId): Promise<void>;
}

export const resetJobKind = 'mfa.pin_reset';

const nothingWaits = (): AppError => new AppError('NOT_FOUND', 'No new PIN waits to take effect');

export function createPinChanges({ database, clock, queue, changes, pins, resetMs }: PinChangesDependencies): OwnPinChanges {
  const cancelPending = async (tx: Transaction, userId: UserId): Promise<boolean> => {
    const pending = await findPendingReset(tx, { user_id: userId });
    return pending !== undefined && (await settleReset(tx, pending.id, 'cancelled', clock.now()));
  };

  const apply = async (tx: Transaction, id: string): Promise<void> => {
    const reset = await findPendingReset(tx, { id });
    if (reset === undefined) return;
    await lockUser(tx, reset.userId);
    // Cancelled by who held the lock before: then the old PIN stays.
    if (!(await settleReset(tx, id, 'done', clock.now()))) return;
    await pins.save(tx, reset.userId, reset.hash);
    await changes.record(tx, { userId: reset.userId, factor: 'pin', change: 'reset_done', allowedBy: 'time' });
  };

  return {
    async set(requester, given, evidence) {
      const { userId } = requester;
      const digest = await pins.acceptable(given);
      const permission = await changes.permit(requester, { kind: 'action', action: 'mfa.pin.set', subject: userId }, evidence);
      const stored = await pins.hash(userId, digest);
      return database.inTransaction(async (tx) => {
        await permission.use(tx);
        const isNew = !(await pins.has(tx, userId));
        await pins.save(tx, userId, stored);
        // Who proves a factor needs no reset any more, and did perhaps not ask for it.
        await cancelPending(tx, userId);
        const limitsLoweredUntil = await changes.record(tx, { userId, factor: 'pin', change: isNew ? 'added' : 'changed', allowedBy: permission.allowedBy });
        return { isNew, limitsLoweredUntil };
      });
    },

    async prepareFirst(requester, pin, field) {
      const { userId } = requester;
      const digest = await pins.acceptable({ pin }, field);
      if ((await listEnrolled(database, userId)).length > 0) throw invalidField(field, 'is taken as the first factor only, and this user has one: it is changed at its own endpoint, with a proof');
      const permission = await changes.permit(requester, { kind: 'action', action: 'mfa.pin.set', subject: userId }, undefined);
      const stored = await pins.hash(userId, digest);
      return async (tx) => {
        await permission.use(tx);
        await pins.save(tx, userId, stored);
        await changes.record(tx, { userId, factor: 'pin', change: 'added', allowedBy: permission.allowedBy });
      };
    },

    async requestReset(requester, given) {
      const { userId } = requester;
      changes.requireFresh(requester);
      const stored = await pins.hash(userId, await pins.acceptable(given));
      return database.inTransaction(async (tx) => {
        await lockUser(tx, userId);
        if (!(await pins.has(tx, userId))) throw new AppError('NOT_FOUND', 'This user has no PIN');
        if ((await findPendingReset(tx, { user_id: userId })) !== undefined) throw new AppError('ALREADY_EXISTS', 'A new PIN waits already: cancel it first');
        const requestedAt = clock.now();
        const reset = { id: newId('pinreset'), userId, hash: stored, requestedAt, effectiveAt: requestedAt + resetMs };
        await insertPinReset(tx, reset);
        queue.enqueue(tx, { id: reset.id, stream: reset.id, kind: resetJobKind, body: { reset_id: reset.id }, runAt: reset.effectiveAt });
        await changes.record(tx, { userId, factor: 'pin', change: 'reset_requested', allowedBy: 'fresh_sign_in', effectiveAt: reset.effectiveAt });
        return { resetId: reset.id, effectiveAt: reset.effectiveAt };
      });
    },

    cancelReset: (userId) =>
      database.inTransaction(async (tx) => {
        await lockUser(tx, userId);
        if (!(await cancelPending(tx, userId))) throw nothingWaits();
        await changes.record(tx, { userId, factor: 'pin', change: 'reset_cancelled', allowedBy: 'session' });
      }),

    resetJob: { run: (job) => Promise.resolve((tx: Transaction) => apply(tx, (job.body as { reset_id: string }).reset_id)) },

    async applyDueReset(userId) {
      const reset = await findPendingReset(database, { user_id: userId });
      if (reset !== undefined && reset.effectiveAt <= clock.now()) await database.inTransaction((tx) => apply(tx, reset.id));
    },
  };
}
