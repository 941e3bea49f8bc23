import type { Database, Queryable } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Attempts } from './attempts.ts';
import { methodsAmong } from './changes.ts';
import { findLimitsLoweredUntil, listEnrolled } from './factor-repo.ts';
import { findPendingReset } from './pin-repo.ts';
import { countRecoveryCodes } from './totp-repo.ts';
import type { Factor, Method } from './types.ts';

/** A method as v1.2.0 section 7.4.2 has it. */
export interface MethodOnWire {
  readonly type: Method;
  readonly enabled: boolean;
  readonly display_name: string;
  readonly locked_until?: string;
  readonly biometric_types?: readonly string[];
}

const displayNames: Readonly<Record<Method, string>> = { transaction_pin: 'Transaction PIN', biometric: 'Biometric Authentication', totp: 'Authenticator Code' };
export const factorOf: Readonly<Record<Method, Factor>> = { transaction_pin: 'pin', biometric: 'biometric', totp: 'totp' };
/** Biometric before PIN before code (section 7.2.1). */
const preference: readonly Method[] = ['biometric', 'transaction_pin', 'totp'];

/** In the order in which a client should offer them. */
export const inPreference = (methods: readonly Method[]): Method[] => preference.filter((method) => methods.includes(method));

export const methodOnWire = (type: Method, lockedUntil = 0, now = 0): MethodOnWire => ({
  type,
  enabled: lockedUntil <= now,
  display_name: displayNames[type],
  ...(lockedUntil > now ? { locked_until: isoTime(lockedUntil) } : {}),
  ...(type === 'biometric' ? { biometric_types: ['fingerprint', 'face_recognition'] } : {}),
});

export interface FactorOverview {
  readonly methods: readonly MethodOnWire[];
  readonly recoveryCodesLeft: number;
  readonly pinResetEffectiveAt: number | undefined;
  readonly limitsLoweredUntil: number | undefined;
}

export interface Methods {
  /** What the user has enrolled, best first, locked or not. */
  methodsOf(userId: UserId): Promise<Method[]>;
  /** The same with what a client shows of it; `among` leaves others out. */
  onWire(userId: UserId, among: readonly Method[]): Promise<MethodOnWire[]>;
  overviewOf(userId: UserId): Promise<FactorOverview>;
  /** Until when the wallet's limits are lower, because a factor was changed (decision D20): milliseconds since the epoch, or undefined. */
  loweredLimitsUntil(userId: UserId, db?: Queryable): Promise<number | undefined>;
}

export function createMethods({ database, clock, attempts }: { readonly database: Database; readonly clock: Clock; readonly attempts: Attempts }): Methods {
  const methodsOf = async (userId: UserId): Promise<Method[]> => inPreference(methodsAmong(await listEnrolled(database, userId)));
  const onWire = async (userId: UserId, among: readonly Method[]): Promise<MethodOnWire[]> => {
    const states = await attempts.stateOf(userId);
    return among.map((method) => methodOnWire(method, states.get(factorOf[method])?.lockedUntil, clock.now()));
  };
  const loweredLimitsUntil = async (userId: UserId, db: Queryable = database): Promise<number | undefined> => {
    const until = await findLimitsLoweredUntil(db, userId);
    return until > clock.now() ? until : undefined;
  };
  return {
    methodsOf,
    onWire,
    loweredLimitsUntil,
    async overviewOf(userId) {
      return {
        methods: await onWire(userId, await methodsOf(userId)),
        recoveryCodesLeft: await countRecoveryCodes(database, userId),
        pinResetEffectiveAt: (await findPendingReset(database, { user_id: userId }))?.effectiveAt,
        limitsLoweredUntil: await loweredLimitsUntil(userId),
      };
    },
  };
}
