import type { Database, Transaction } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import { methodsAmong } from './changes.ts';
import { findChallenge, insertChallenge, markVerified, type Challenge } from './challenge-repo.ts';
import { readEvidence } from './evidence.ts';
import { listEnrolled } from './factor-repo.ts';
import { inPreference, methodOnWire, type MethodOnWire } from './methods.ts';
import { reasonsFor, type MfaPolicy, type MfaReason } from './policy.ts';
import type { Prover } from './prover.ts';
import { attestationWindowMs, boundTexts, type Expected } from './terms.ts';
import type { Enrolled, PaymentTerms, Proof } from './types.ts';

export interface ChallengesDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly prover: Prover;
  readonly policy: MfaPolicy;
  readonly challengeMs: number;
  readonly maxAttempts: number;
}

/** Whether a payment needs a second proof, and why. */
export interface Requirement {
  readonly reasons: readonly MfaReason[];
  /** The device that signed, when it is too new to give the second proof as well. */
  readonly excludedDevice: string | undefined;
}

/** `mfa_challenge` of v1.2.0 section 7.4.2. */
export interface ChallengeOnWire {
  readonly challenge_id: string;
  readonly methods: readonly MethodOnWire[];
  readonly required_method: 'any';
  readonly expires_at: string;
  readonly max_attempts: number;
}

/** What answers a challenge: body of `mfa/verify` (v1.2.0 section 7.4.3). */
export interface ChallengeAnswer {
  readonly challenge_id: string;
  readonly method: string;
  readonly credentials: unknown;
  readonly device_id?: string;
  readonly timestamp?: string;
}

/** A challenge that is there once `save` is done, in the transaction of what waits for it. */
export interface DraftChallenge {
  readonly challenge: ChallengeOnWire;
  save(tx: Transaction): Promise<void>;
}

/** What the policy looks at. */
export interface PaymentToJudge {
  readonly userId: UserId;
  readonly terms: PaymentTerms;
  /** The device whose signature is there. */
  readonly deviceId: string | undefined;
  readonly isFirstToPayee: boolean;
}

/** All of it is to be called outside of a transaction. */
export interface Challenges {
  /** Asks the policy. */
  requirementFor(payment: PaymentToJudge): Promise<Requirement>;
  /**
   * A challenge; its terms are frozen with it. Undefined when the user has no factor that could answer it (decision D6: then 400
   * DEVICE_NOT_REGISTERED).
   */
  draft(challenge: { readonly userId: UserId; readonly terms: PaymentTerms; readonly excludedDevice?: string | undefined }): Promise<DraftChallenge | undefined>;
  /**
   * Judges an answer. `subject` is the payment that the caller's request names. Throws NOT_FOUND (unknown,
   * another user's or another payment's), MFA_CHALLENGE_EXPIRED, INVALID_STATE_TRANSITION (answered before), INVALID_REQUEST,
   * INVALID_MFA_CREDENTIALS, MFA_LOCKED, DEVICE_NOT_REGISTERED.
   */
  verify(userId: UserId, subject: string, answer: ChallengeAnswer): Promise<Proof>;
}

/** The same where this program keeps the challenges. */
export interface OwnChallenges extends Challenges {
  /** What an open challenge is about. Throws NOT_FOUND, MFA_CHALLENGE_EXPIRED, INVALID_STATE_TRANSITION. */
  termsOf(userId: UserId, challengeId: string): Promise<PaymentTerms>;
}

/** Of a user who has nothing to confirm with (decision D6). */
export const nothingEnrolled = (): AppError => new AppError('DEVICE_NOT_REGISTERED', 'There is no PIN, authenticator or device key of yours to confirm with: register one first', { details: { available_methods: [] } });

const unknown = (): AppError => new AppError('NOT_FOUND', 'No such challenge');
const tooNew = (): AppError => new AppError('INVALID_MFA_CREDENTIALS', 'This device was registered too recently to confirm a payment alone', { details: { method: 'biometric' } });
const answered = (): AppError => new AppError('INVALID_STATE_TRANSITION', 'This challenge was answered already');

const isOtherThan = (deviceId: string | undefined) => ({ kind, id }: Enrolled): boolean => kind !== 'device' || id !== deviceId;

/** What a device's key signs for a challenge: `{payment_id}:{challenge_id}:{timestamp}`, and what a passkey's challenge is bound to: the terms. */
const expectedFor = ({ id, terms }: Challenge): Expected => ({ signedTexts: (timestamp) => [`${terms.id}:${id}:${timestamp}`], windowMs: attestationWindowMs, boundTexts: boundTexts(terms) });

export function createChallenges(deps: ChallengesDependencies): OwnChallenges {
  const { database, clock, prover, policy } = deps;

  const findOpen = async (userId: UserId, challengeId: string, subject?: string): Promise<Challenge> => {
    const challenge = await findChallenge(database, userId, challengeId);
    if (challenge === undefined || (subject !== undefined && challenge.terms.id !== subject)) throw unknown();
    if (challenge.state !== 'open') throw answered();
    if (challenge.expiresAt <= clock.now()) throw new AppError('MFA_CHALLENGE_EXPIRED', 'This challenge is over: ask for another one');
    return challenge;
  };

  const requirementFor: Challenges['requirementFor'] = async ({ userId, terms, deviceId, isFirstToPayee }) => {
    const enrolled = await listEnrolled(database, userId);
    const deviceSince = enrolled.find(({ kind, id }) => kind === 'device' && id === deviceId)?.since;
    const reasons = reasonsFor(policy, { ...terms, isFirstToPayee, deviceSince, hasOtherFactor: enrolled.some(isOtherThan(deviceId)), now: clock.now() });
    return { reasons, excludedDevice: reasons.includes('new_device') ? deviceId : undefined };
  };

  /** A challenge that no new device's signature led to may be answered by one factor alone: not by a device that is too new for that. */
  const assertOldEnough = async ({ userId, terms, excludedDevice }: Challenge, deviceId: string | undefined): Promise<void> => {
    if (excludedDevice === undefined && (await requirementFor({ userId, terms, deviceId, isFirstToPayee: false })).excludedDevice !== undefined) throw tooNew();
  };

  return {
    requirementFor,
    async draft({ userId, terms, excludedDevice }) {
      const enrolled = (await listEnrolled(database, userId)).filter(isOtherThan(excludedDevice));
      const methods = inPreference(methodsAmong(enrolled));
      if (methods.length === 0) return undefined;
      const now = clock.now();
      const challenge: Challenge = { id: newId('mfa_ch'), userId, terms, methods, excludedDevice, state: 'open', createdAt: now, expiresAt: now + deps.challengeMs };
      const shown: ChallengeOnWire = { challenge_id: challenge.id, methods: methods.map((method) => methodOnWire(method)), required_method: 'any', expires_at: isoTime(challenge.expiresAt), max_attempts: deps.maxAttempts };
      return { challenge: shown, save: (tx) => insertChallenge(tx, challenge) };
    },
    async verify(userId, subject, answer) {
      const challenge = await findOpen(userId, answer.challenge_id, subject);
      const { method, evidence } = readEvidence(answer.method, answer.credentials, 'credentials', { device_id: answer.device_id, timestamp: answer.timestamp });
      if (!challenge.methods.includes(method)) throw invalidField('method', `must be one of ${challenge.methods.join(', ')}`);
      if (evidence.kind === 'signature' && evidence.deviceId === challenge.excludedDevice) throw invalidField('credentials.device_id', 'was registered too recently to confirm what it signed itself');
      try {
        const proof = await prover.prove(userId, expectedFor(challenge), evidence);
        await assertOldEnough(challenge, proof.deviceId);
        return {
          ...proof,
          async spend(tx) {
            if (!(await markVerified(tx, challenge.id))) throw answered();
            await proof.spend(tx);
          },
        };
      } catch (error) {
        // One code for whatever is shown to a challenge (v1.2.0 section 7.4.3).
        if (error instanceof AppError && error.code === 'INVALID_SIGNATURE') throw new AppError('INVALID_MFA_CREDENTIALS', error.message, error.details === undefined ? {} : { details: error.details });
        throw error;
      }
    },
    termsOf: async (userId, challengeId) => (await findOpen(userId, challengeId)).terms,
  };
}
