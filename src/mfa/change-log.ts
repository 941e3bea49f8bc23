import type { Transaction } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import type { RoomEvents } from '../matrix/port.ts';
import { factorNotice, type AllowedBy } from './events.ts';
import { insertChange, lockUser, saveLimitsLoweredUntil } from './factor-repo.ts';
import type { ChangedFactor, FactorChange } from './types.ts';

export interface Change {
  readonly userId: UserId;
  readonly factor: ChangedFactor;
  readonly change: FactorChange;
  readonly allowedBy: AllowedBy;
  /** Id of the device or passkey, and what the user called it. */
  readonly subject?: string;
  readonly name?: string;
  readonly effectiveAt?: number;
  /** For the audit trail: which administrator. */
  readonly administrator?: string;
}

export interface ChangeLog {
  /**
   * Records and announces a change in its transaction; one that a factor, time or an administrator allowed lowers the wallet's
   * limits. Returns until when, or undefined.
   */
  record(tx: Transaction, change: Change): Promise<number | undefined>;
}

const lowering: ReadonlySet<FactorChange> = new Set(['added', 'changed', 'removed', 'reset_done']);

export function createChangeLog({ clock, events, loweredLimitsMs }: { readonly clock: Clock; readonly events: RoomEvents; readonly loweredLimitsMs: number }): ChangeLog {
  return {
    async record(tx, { userId, factor, change, allowedBy, subject, name, effectiveAt, administrator }) {
      const now = clock.now();
      await insertChange(tx, { id: newId('change'), userId, factor, change, subject, allowedBy: administrator === undefined ? allowedBy : `admin:${administrator}`, changedAt: now });
      const lowers = lowering.has(change) && allowedBy !== 'fresh_sign_in' && loweredLimitsMs > 0;
      const limitsLoweredUntil = lowers ? now + loweredLimitsMs : undefined;
      if (limitsLoweredUntil !== undefined) {
        await lockUser(tx, userId);
        await saveLimitsLoweredUntil(tx, userId, limitsLoweredUntil);
      }
      events.emit(tx, factorNotice({ userId, factor, change, name, changedAt: now, allowedBy, effectiveAt, limitsLoweredUntil }));
      return limitsLoweredUntil;
    },
  };
}

/** As answers have it. */
export const loweredOnWire = (until: number | undefined): { readonly limits_lowered_until?: string } => (until === undefined ? {} : { limits_lowered_until: isoTime(until) });
