import type { Database } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';
import { clearAllAttempts, deleteAllFactors } from './administration-repo.ts';
import { createChangeLog, type ChangeLogDependencies } from './change-log.ts';
import { listEnrolled, lockUser } from './factor-repo.ts';
import { findPendingReset, settleReset } from './pin-repo.ts';

/** What an administrator can do for a user who is locked out; the user is told in their notice room. */
export interface MfaAdministration {
  /** Lifts locks. False when nothing had failed. */
  unlock(userId: UserId, administrator: string): Promise<boolean>;
  /** Removes every factor, for who has lost them all: the next fresh sign-in enrols a first one. Returns how many there were. */
  removeAll(userId: UserId, administrator: string): Promise<number>;
}

export function createMfaAdministration({ database, ...deps }: ChangeLogDependencies & { readonly database: Database }): MfaAdministration {
  const { clock } = deps;
  const log = createChangeLog(deps);
  return {
    unlock: (userId, administrator) =>
      database.inTransaction(async (tx) => {
        if (!(await clearAllAttempts(tx, userId))) return false;
        await log.record(tx, { userId, factor: 'lock', change: 'unlocked', allowedBy: 'administrator', administrator });
        return true;
      }),
    removeAll: (userId, administrator) =>
      database.inTransaction(async (tx) => {
        await lockUser(tx, userId);
        const enrolled = await listEnrolled(tx, userId);
        const reset = await findPendingReset(tx, { user_id: userId });
        if (reset !== undefined) await settleReset(tx, reset.id, 'cancelled', clock.now());
        await deleteAllFactors(tx, userId);
        for (const { kind, id } of enrolled) await log.record(tx, { userId, factor: kind, change: 'removed', allowedBy: 'administrator', administrator, ...(id === '' ? {} : { subject: id }) });
        return enrolled.length;
      }),
  };
}
