import { isoTime } from '../kernel/clock.ts';
import type { UserId } from '../kernel/ids.ts';
import type { OutboundEvent } from '../matrix/port.ts';
import type { ChangedFactor, FactorChange } from './types.ts';

/** What allowed a change: a factor, a fresh sign-in with the homeserver, the passing of time, any session of the user, or an administrator. */
export type AllowedBy = 'fresh_sign_in' | 'transaction_pin' | 'totp' | 'biometric' | 'time' | 'session' | 'administrator';

export interface FactorNotice {
  readonly userId: UserId;
  readonly factor: ChangedFactor;
  readonly change: FactorChange;
  readonly name: string | undefined;
  readonly changedAt: number;
  readonly allowedBy: AllowedBy;
  readonly effectiveAt: number | undefined;
  readonly limitsLoweredUntil: number | undefined;
}

const nouns: Readonly<Record<ChangedFactor, string>> = { pin: 'PIN', totp: 'authenticator app', device: 'device', passkey: 'passkey', recovery_code: 'recovery code', lock: 'lock after wrong attempts' };

const notYou = 'If this was not you, sign out your other sessions and tell the administrators of this server.';

function sentence({ factor, change, name, effectiveAt }: FactorNotice): string {
  const noun = name === undefined ? nouns[factor] : `${nouns[factor]} “${name}”`;
  switch (change) {
    case 'added':
      return `A ${noun} was added for confirming payments.`.replace('A authenticator', 'An authenticator');
    case 'changed':
      return `Your ${noun} for confirming payments was changed.`;
    case 'removed':
      return `Your ${noun} for confirming payments was removed.`;
    case 'used':
      return `A ${noun} was used in place of your authenticator app.`;
    case 'reset_requested':
      return `Somebody who is signed in as you asked for a new ${noun}. It takes effect at ${isoTime(effectiveAt ?? 0)}, unless you cancel it in your wallet before.`;
    case 'reset_cancelled':
      return `The new ${noun} that was asked for was cancelled. The old one stays.`;
    case 'reset_done':
      return `The new ${noun} that was asked for is in effect.`;
    case 'unlocked':
      return `An administrator lifted the ${noun}.`;
  }
}

/** A message for the user's notice room: words that every client shows (decision D20). */
export function factorNotice(notice: FactorNotice): OutboundEvent {
  const { userId, factor, change, name, changedAt, allowedBy, effectiveAt, limitsLoweredUntil } = notice;
  const lowered = limitsLoweredUntil === undefined ? '' : ` Limits are lower until ${isoTime(limitsLoweredUntil)}.`;
  return {
    place: { noticesOf: userId },
    speaker: 'bot',
    type: 'm.room.message',
    content: {
      msgtype: 'm.text',
      body: `${sentence(notice)}${lowered} ${notYou}`,
      'm.tween.mfa': {
        factor,
        change,
        ...(name === undefined ? {} : { name }),
        changed_at: isoTime(changedAt),
        allowed_by: allowedBy,
        ...(effectiveAt === undefined ? {} : { effective_at: isoTime(effectiveAt) }),
        ...(limitsLoweredUntil === undefined ? {} : { limits_lowered_until: isoTime(limitsLoweredUntil) }),
      },
    },
  };
}
