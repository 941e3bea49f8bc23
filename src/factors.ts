import type { Config } from './config/index.ts';
import type { Queryable } from './database/index.ts';
import type { UserId } from './kernel/ids.ts';
import { exponentOf } from './kernel/money.ts';
import type { Log } from './kernel/log.ts';
import type { RoomEvents } from './matrix/port.ts';
import { announceToUser, createMfa, createMfaAdministration, createRemoteMfa, readThresholds, requireAuthProof, type AskFactors, type Method, type Mfa, type MfaAdministration, type MfaOptions, type Terms } from './mfa/index.ts';
import type { RecordAudit } from './security/audit/index.ts';
import type { ActionProofTerms, MoneyTerms, TermsProof } from './wallet/index.ts';

/** The wallet spells them as v1.9.0 section 7.2.1 does. */
const walletNames: Readonly<Record<Method, string>> = { biometric: 'biometric', transaction_pin: 'pin', totp: 'otp' };

/** What the configuration says of factors. */
export function mfaOptionsOf({ mfa, homeserver, server }: Pick<Config, 'mfa' | 'homeserver' | 'server'>): MfaOptions {
  const { hostname, origin } = new URL(server.public_url);
  return {
    minPinLength: mfa.min_pin_length,
    attempts: { maxAttempts: mfa.max_attempts, lockMs: mfa.lock_seconds * 1000, maxLockMs: mfa.max_lock_seconds * 1000 },
    freshSignInMs: mfa.fresh_sign_in_seconds * 1000,
    loweredLimitsMs: mfa.lowered_limits_seconds * 1000,
    pinResetMs: mfa.pin_reset_seconds * 1000,
    challengeMs: mfa.challenge_seconds * 1000,
    policy: { requireOver: readThresholds(mfa.require_over), requireForNewDevice: mfa.require_for_new_device, newDeviceMs: mfa.new_device_seconds * 1000, requireForFirstPayment: mfa.require_for_first_payment },
    rpId: mfa.webauthn_rp_id ?? hostname,
    origins: [origin, ...mfa.webauthn_origins],
    issuerName: mfa.issuer_name ?? homeserver.domain.replace(/:.*$/, ''),
  };
}

export interface FactorDependencies extends Omit<Parameters<typeof createMfa>[0], 'options' | 'announce'> {
  readonly config: Config;
  readonly log: Log;
  readonly events: RoomEvents;
  readonly audit: RecordAudit;
  /** Where a wallet service keeps them (`wallet.adapter`). */
  readonly askFactors: AskFactors | undefined;
}

/** The factors, by their configuration: ours, or those of the wallet service. */
export const buildMfa = (deps: FactorDependencies): Mfa =>
  deps.askFactors === undefined ? createMfa({ ...deps, announce: announceToUser(deps), options: mfaOptionsOf(deps.config) }) : createRemoteMfa({ ...deps, announce: announceToUser(deps), ask: deps.askFactors });

/** For administrators whose users are locked out. */
export const buildMfaAdministration = (deps: Omit<FactorDependencies, 'keyRing'>): MfaAdministration =>
  deps.askFactors === undefined
    ? createMfaAdministration({ ...deps, announce: announceToUser(deps), loweredLimitsMs: mfaOptionsOf(deps.config).loweredLimitsMs })
    : createRemoteMfa({ ...deps, announce: announceToUser(deps), ask: deps.askFactors }).administration;

const termsOf = (terms: MoneyTerms | ActionProofTerms): Terms => ('action' in terms ? { kind: 'action', ...terms } : { kind: 'payment', ...terms, exponent: exponentOf(terms.currency) });

/** The factors as the wallet asks for them: proofs over terms as they are stored (decisions D6, D20). */
export const proofsOf = (mfa: Mfa): TermsProof => ({
  methodsOf: async (userId) => (await mfa.methodsOf(userId)).map((method) => walletNames[method]),
  prove: (userId, terms, authProof) => mfa.proveTerms({ userId, terms: termsOf(terms), evidence: requireAuthProof(authProof) }),
});

/** Which share of a user's limits counts just now: `lowered`, for a while after a factor was changed (decision D20). */
export const limitShareOf =
  (mfa: Pick<Mfa, 'loweredLimitsUntil'>, lowered: number) =>
  async (userId: UserId, db: Queryable): Promise<number> =>
    (await mfa.loweredLimitsUntil(userId, db)) === undefined ? 1 : lowered;
