import type { Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

/** What attempts are counted for (decision D7): device keys and passkeys are one factor, and so are codes and recovery codes. */
export type Factor = 'pin' | 'totp' | 'biometric';
/** The same on the wire (v1.2.0 section 7.4.2). */
export type Method = 'transaction_pin' | 'totp' | 'biometric';

export const methodOf: Readonly<Record<Factor, Method>> = { pin: 'transaction_pin', totp: 'totp', biometric: 'biometric' };

/** What money a proof is for, as it is stored and never as a client sends it. */
export interface PaymentTerms {
  readonly kind: 'payment';
  /** Of the payment or transfer; on creation its idempotency key (decision D20). */
  readonly id: string;
  readonly amountMinor: number | bigint;
  readonly currency: string;
  /** Decimals of the currency (ISO 4217). */
  readonly exponent: number;
  /** Who gets it: a Matrix user id or a mini-app's id. */
  readonly recipient: string;
}

/** What else a proof can be for: a change of factors, consent to critical scopes. */
export interface ActionTerms {
  readonly kind: 'action';
  /** Without a colon. */
  readonly action: string;
  readonly subject: string;
}

export type Terms = PaymentTerms | ActionTerms;

/** What a user shows. Never logged, never stored. */
export type Evidence =
  | { readonly kind: 'pin'; readonly digest: string }
  | { readonly kind: 'code'; readonly code: string }
  | { readonly kind: 'recovery_code'; readonly code: string }
  | { readonly kind: 'signature'; readonly signature: Buffer; readonly deviceId: string; readonly timestamp: string }
  | { readonly kind: 'assertion'; readonly response: unknown }
  | { readonly kind: 'ceremony_proof'; readonly proof: string };

/** A proof as a wallet service knows it: good for one movement on the terms that it was given for, spent there with that movement. */
export interface ProofTicket {
  readonly proofId: string;
  /** What the user confirmed, where the movement can't say it: on creation the id was the idempotency key, and a gift's recipient may be a room. */
  readonly proven?: { readonly id: string; readonly recipient: string };
}

/**
 * A proof that was judged good. Nothing has come of it yet: `spend` must run in the transaction of what it allows, so that the
 * two happen together or not at all. It throws INVALID_MFA_CREDENTIALS or INVALID_SIGNATURE when somebody was faster with the
 * same proof, or the factor is gone since.
 */
export interface Proof {
  readonly userId: UserId;
  readonly method: Method;
  /** Where a wallet service judged it: what the movement of money that it allows has to carry. */
  readonly ticket?: ProofTicket;
  /** The registered device or passkey whose key signed. */
  readonly deviceId?: string;
  spend(tx: Transaction): Promise<void>;
}

/** How often which factor may fail, and how long it is locked then (decision D7). */
export interface AttemptPolicy {
  readonly maxAttempts: number;
  readonly lockMs: number;
  readonly maxLockMs: number;
}

export type FactorChange = 'added' | 'changed' | 'removed' | 'used' | 'reset_requested' | 'reset_cancelled' | 'reset_done' | 'unlocked';
export type ChangedFactor = 'pin' | 'totp' | 'device' | 'passkey' | 'recovery_code' | 'lock';

/** Something that a user has enrolled. */
export interface Enrolled {
  readonly kind: 'pin' | 'totp' | 'device' | 'passkey';
  /** Device id or credential id; empty for the others. */
  readonly id: string;
  readonly since: number;
}

/** Who changes factors, and when a Matrix token last proved that it is them: undefined unless one did (decision D20). */
export interface Requester {
  readonly userId: UserId;
  readonly matrixProvenAt: number | undefined;
}
