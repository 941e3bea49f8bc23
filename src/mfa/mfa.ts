import type { Database, Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { UserId } from '../kernel/ids.ts';
import type { RecordAudit } from '../security/audit/index.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { createAttempts } from './attempts.ts';
import { createChangeLog, type AnnounceChange } from './change-log.ts';
import { createChanges } from './changes.ts';
import type { CeremonyOptions, PasskeysDependencies } from './ceremonies.ts';
import { purgeExpiredMfa } from './challenge-repo.ts';
import { createChallenges, type Challenges, type OwnChallenges } from './challenges.ts';
import { createDevices, createDeviceSignatures, type Devices } from './devices.ts';
import { createMethods, type Methods } from './methods.ts';
import { createPasskeyChanges, type PasskeyChanges } from './passkey-changes.ts';
import { createPasskeyRegistrations } from './passkey-registrations.ts';
import { createPasskeys, readBinding, type GivenBinding } from './passkeys.ts';
import { createPinChanges, resetJobKind, type OwnPinChanges, type PinChanges } from './pin-changes.ts';
import { createPins } from './pins.ts';
import type { MfaPolicy } from './policy.ts';
import { createProver } from './prover.ts';
import { createTotpChanges, type TotpChanges } from './totp-changes.ts';
import { createTotps } from './totps.ts';
import { boundTexts, expectedFor } from './terms.ts';
import type { AttemptPolicy, Evidence, Proof, Terms } from './types.ts';

/** Times in milliseconds; what they are is said in `schema/config.json`. */
export interface MfaOptions {
  readonly minPinLength: number;
  readonly attempts: AttemptPolicy;
  readonly freshSignInMs: number;
  readonly loweredLimitsMs: number;
  readonly pinResetMs: number;
  readonly challengeMs: number;
  readonly policy: MfaPolicy;
  readonly issuerName: string;
  /** Relying party id of passkeys, and the origins that may use them. */
  readonly rpId: string;
  readonly origins: readonly string[];
}

export interface MfaDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly announce: AnnounceChange;
  /** Of locks. */
  readonly audit: RecordAudit;
  readonly options: MfaOptions;
}

/** Second factors: what users enrol, what they prove with it, and what happens when they can't. */
export interface Mfa extends Methods {
  readonly pins: PinChanges;
  readonly totps: TotpChanges;
  readonly devices: Devices;
  readonly passkeys: PasskeyChanges;
  /** Second proofs of payments. */
  readonly challenges: Challenges;
  /**
   * Judges a proof over terms as they are stored (decision D6), outside of a transaction. The caller spends what it returns in the
   * transaction of what it allows. Throws INVALID_MFA_CREDENTIALS and INVALID_SIGNATURE (401), MFA_LOCKED (429),
   * DEVICE_NOT_REGISTERED (400: with another method at hand, open a challenge instead).
   */
  proveTerms(proof: { readonly userId: UserId; readonly terms: Terms; readonly evidence: Evidence }): Promise<Proof>;
  /** Asks a passkey for an assertion over a challenge's terms, or over what the client says. Throws DEVICE_NOT_REGISTERED, NOT_FOUND, MFA_CHALLENGE_EXPIRED, INVALID_STATE_TRANSITION. */
  askPasskey(userId: UserId, binding: GivenBinding & { readonly challenge_id?: string }): Promise<CeremonyOptions>;
  /** Takes the assertion, for a proof that counts once and can be presented elsewhere. Throws INVALID_SIGNATURE, MFA_LOCKED. */
  takeAssertion(userId: UserId, response: unknown): Promise<{ readonly proof: string; readonly expiresAt: number }>;
  readonly jobs: Readonly<Record<string, JobKind>>;
  /** A chore: deletes what is over. */
  readonly tidyUp: (tx: Transaction, now: number) => Promise<void>;
}

/** Factors that this program keeps and judges itself. */
export interface OwnMfa extends Mfa {
  readonly pins: OwnPinChanges;
  readonly challenges: OwnChallenges;
  readonly maxAttempts: number;
}

export function createMfa(deps: MfaDependencies): OwnMfa {
  const { database, options } = deps;
  const attempts = createAttempts({ ...deps, policy: options.attempts });
  const pins = createPins({ ...deps, minLength: options.minPinLength });
  const log = createChangeLog({ ...deps, loweredLimitsMs: options.loweredLimitsMs });
  const totps = createTotps({ ...deps, log, issuerName: options.issuerName });
  const webauthn: PasskeysDependencies = { ...deps, ...options, rpName: options.issuerName, ceremonyMs: options.challengeMs };
  const passkeys = createPasskeys(webauthn);
  const prover = createProver({ database, attempts, pins, totps, passkeys, devices: createDeviceSignatures(deps) });
  const changes = createChanges({ ...deps, prover, log, freshSignInMs: options.freshSignInMs });
  const challenges = createChallenges({ ...deps, ...options, prover, maxAttempts: options.attempts.maxAttempts });
  const pinChanges = createPinChanges({ ...deps, changes, pins, resetMs: options.pinResetMs });
  return {
    ...createMethods({ ...deps, attempts }),
    pins: pinChanges,
    totps: createTotpChanges({ database, changes, totps }),
    devices: createDevices({ ...deps, changes }),
    passkeys: createPasskeyChanges({ database, changes, registrations: createPasskeyRegistrations(webauthn) }),
    challenges,
    maxAttempts: options.attempts.maxAttempts,
    proveTerms: ({ userId, terms, evidence }) => prover.prove(userId, expectedFor(terms), evidence),
    askPasskey: async (userId, binding) => passkeys.ask(userId, binding.challenge_id === undefined ? readBinding(binding) : boundTexts(await challenges.termsOf(userId, binding.challenge_id))[0]!),
    takeAssertion: (userId, response) => prover.takeAssertion(userId, response),
    tidyUp: purgeExpiredMfa,
    jobs: { [resetJobKind]: pinChanges.resetJob },
  };
}
