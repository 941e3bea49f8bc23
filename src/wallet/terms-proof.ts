import type { Transaction } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Money } from '../kernel/money.ts';
import type { MovementProof } from './port.ts';

/** What money a proof is for: as stored, never as a client repeats it (decisions D6, D20). */
export interface MoneyTerms extends Money {
  /** Of the transfer or gift; on creation its idempotency key. */
  readonly id: string;
  /** Who gets it: a user id, or for a gift to many its room id. */
  readonly recipient: string;
}

/** What a proof is for that moves no money yet, but says where it may go: an account that is linked. Its words are signed as they are stored. */
export interface ActionProofTerms {
  readonly action: 'external.link';
  readonly subject: string;
}

/** A proof that was judged good. Nothing has come of it until it is spent, in the transaction of what it allows. */
export interface JudgedProof {
  /** Where a wallet service judged it: the movement that it allows has to carry this. */
  readonly ticket?: MovementProof;
  /** @throws AppError when somebody was faster with the same proof */
  spend(tx: Transaction): Promise<void>;
}

/** The user's own hand, beyond an access token (decision D20): the door to the factors. */
export interface TermsProof {
  /** Wire names (specification section 7.2.1) of what the user has enrolled, best first; empty when they have nothing. */
  methodsOf(userId: UserId): Promise<readonly string[]>;
  /**
   * Judges the `auth_proof` of a request. To be called outside of a transaction: a failed attempt counts whatever becomes of the request.
   * @throws AppError INVALID_SIGNATURE, INVALID_MFA_CREDENTIALS, MFA_LOCKED, DEVICE_NOT_REGISTERED, INVALID_REQUEST
   */
  prove(userId: UserId, terms: MoneyTerms | ActionProofTerms, authProof: Readonly<Record<string, unknown>>): Promise<JudgedProof>;
}

const notRegistered = (): AppError => new AppError('DEVICE_NOT_REGISTERED', 'There is no PIN, authenticator or device key of yours to confirm with: register one first', { details: { available_methods: [] } });

/** Nobody has a factor: nothing can be confirmed. */
export const noFactors: TermsProof = { methodsOf: () => Promise.resolve([]), prove: () => Promise.reject(notRegistered()) };

/** What a request without a proof is told: to come back with one, or to enrol something first (decision D6). */
export async function requireProof(proofs: TermsProof, userId: UserId): Promise<readonly string[]> {
  const methods = await proofs.methodsOf(userId);
  if (methods.length === 0) throw notRegistered();
  return methods;
}

export const mfaRequired = (methods: readonly string[], details: Readonly<Record<string, unknown>>): AppError =>
  new AppError('MFA_REQUIRED', 'Confirm with one of your factors', { details: { ...details, available_methods: methods } });
