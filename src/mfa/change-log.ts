import type { Transaction } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import type { UserId } from '../kernel/ids.ts';
import type { RoomEvents } from '../matrix/port.ts';
import type { AuditRecord, RecordAudit } from '../security/audit/index.ts';
import { factorNotice, type AllowedBy } from './events.ts';
import { lockUser, saveLimitsLoweredUntil } from './factor-repo.ts';
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
  /** For the audit log: which administrator. */
  readonly administrator?: string;
}

export interface ChangeLog {
  /**
   * Writes a change into the audit log and announces it, in its transaction; one that a factor, time or an administrator allowed lowers the wallet's
   * limits. Returns until when, or undefined.
   */
  record(tx: Transaction, change: Change): Promise<number | undefined>;
}

const lowering: ReadonlySet<FactorChange> = new Set(['added', 'changed', 'removed', 'reset_done']);

/** A change as it is told: when it was made, and until when limits are lower for it. */
export interface MadeChange extends Change {
  readonly changedAt: number;
  readonly limitsLoweredUntil: number | undefined;
}

/** Tells of a change, as part of its transaction. */
export type AnnounceChange = (tx: Transaction, change: MadeChange) => Promise<void>;

/** In the audit log and in the notice room of the user. */
export const announceToUser =
  ({ events, audit }: { readonly events: RoomEvents; readonly audit: RecordAudit }): AnnounceChange =>
  async (tx, made) => {
    const { userId, factor, change, allowedBy, subject, name, effectiveAt, changedAt, limitsLoweredUntil } = made;
    await audit(tx, { actor: actorOf(made), action: `factor.${change}`, target: { kind: 'user', id: userId }, details: { factor, allowed_by: allowedBy, ...(subject === undefined ? {} : { subject }) } });
    events.emit(tx, factorNotice({ userId, factor, change, name, changedAt, allowedBy, effectiveAt, limitsLoweredUntil }));
  };

export interface ChangeLogDependencies {
  readonly clock: Clock;
  readonly announce: AnnounceChange;
  readonly loweredLimitsMs: number;
}

function actorOf({ userId, allowedBy, administrator }: Change): AuditRecord['actor'] {
  if (administrator !== undefined) return { kind: 'administrator', id: administrator };
  return allowedBy === 'time' ? { kind: 'system', id: 'mfa' } : { kind: 'user', id: userId };
}

export function createChangeLog({ clock, announce, loweredLimitsMs }: ChangeLogDependencies): ChangeLog {
  return {
    async record(tx, changed) {
      const { userId, change, allowedBy } = changed;
      const now = clock.now();
      const lowers = lowering.has(change) && allowedBy !== 'fresh_sign_in' && loweredLimitsMs > 0;
      const limitsLoweredUntil = lowers ? now + loweredLimitsMs : undefined;
      if (limitsLoweredUntil !== undefined) {
        await lockUser(tx, userId);
        await saveLimitsLoweredUntil(tx, userId, limitsLoweredUntil);
      }
      await announce(tx, { ...changed, changedAt: now, limitsLoweredUntil });
      return limitsLoweredUntil;
    },
  };
}

/** As answers have it. */
export const loweredOnWire = (until: number | undefined): { readonly limits_lowered_until?: string } => (until === undefined ? {} : { limits_lowered_until: isoTime(until) });
