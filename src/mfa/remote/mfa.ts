import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { sha256Hex, type UserId } from '../../kernel/ids.ts';
import { canonicalJson } from '../../kernel/json.ts';
import type { MfaAdministration } from '../administration.ts';
import { purgeExpiredMfa } from '../challenge-repo.ts';
import type { Challenges, ChallengeOnWire } from '../challenges.ts';
import { spendSignature } from '../device-repo.ts';
import { readEvidence } from '../evidence.ts';
import { factorOf, type Methods } from '../methods.ts';
import type { Mfa } from '../mfa.ts';
import type { RecordAudit } from '../../security/audit/index.ts';
import { methodOf, type Evidence, type Method, type Proof, type ProofTicket } from '../types.ts';
import { remoteDevices, remotePasskeys, remotePins, remoteTotps, type RemoteChangesDependencies } from './changes.ts';
import { FactorService, type AskFactors, type Lock } from './service.ts';
import { createTelling, tellingJobKind, type TellingDependencies } from './telling.ts';
import { evidenceOnWire, paymentTermsOnWire, termsOnWire, timeFromWire, type WireCeremony, type WireFactors, type WireRequirement, type WireVerdict } from './wire.ts';

export interface RemoteMfaDependencies extends Omit<TellingDependencies, 'service'> {
  readonly ask: AskFactors;
  readonly audit: RecordAudit;
}

/** Factors that a wallet service keeps and judges (section 7.6.4): what users show is passed on, and nothing of it stays here. */
export interface RemoteMfa extends Mfa {
  readonly administration: MfaAdministration;
}

function remoteMethods(service: FactorService): Methods {
  const factorsOf = (userId: UserId): Promise<WireFactors> => service.get(userId);
  return {
    methodsOf: async (userId) => (await factorsOf(userId)).methods.map(({ type }) => type),
    onWire: async (userId, among) => (await factorsOf(userId)).methods.filter(({ type }) => among.includes(type)),
    // The service lowers its own limits.
    loweredLimitsUntil: () => Promise.resolve(undefined),
    async overviewOf(userId) {
      const factors = await factorsOf(userId);
      return { methods: factors.methods, recoveryCodesLeft: factors.recovery_codes_left, pinResetEffectiveAt: timeFromWire(factors.pin_reset_effective_at), limitsLoweredUntil: timeFromWire(factors.limits_lowered_until) };
    },
  };
}

const usedAlready = (): AppError => new AppError('INVALID_SIGNATURE', 'This signature was used already');

/** Longer than any service answers a repeat, and than any signature's time counts. */
const rememberedMs = 24 * 60 * 60_000;

/**
 * The key of an attempt, where what was shown counts once and can't be guessed: whoever shows it again, after this process died of
 * it, gets the same verdict. What can be guessed is a new attempt each time, and counted.
 */
const keyOf = (evidence: Evidence, userId: UserId, rest: string, body: object): string | undefined =>
  ['signature', 'assertion', 'ceremony_proof'].includes(evidence.kind) ? `att_${sha256Hex(canonicalJson([userId, rest, body]))}` : undefined;

function remoteJudge({ service, telling, clock }: RemoteChangesDependencies & { readonly clock: Clock }) {
  return async (userId: UserId, rest: string, body: object, evidence: Evidence, proven: ProofTicket['proven']): Promise<Proof> => {
    const key = keyOf(evidence, userId, rest, body);
    const ask = (): Promise<WireVerdict> => service.once(userId, rest, body, key);
    const verdict = await (evidence.kind === 'recovery_code' ? telling.around(userId, ask) : ask());
    if (!verdict.verified) throw service.refusal(verdict.refusal ?? { code: 'INVALID_MFA_CREDENTIALS', message: 'Invalid credentials provided' });
    const { proof_id: proofId, device_id: deviceId, expires_at: expiresAt } = verdict;
    if (expiresAt !== undefined && Date.parse(expiresAt) <= clock.now()) throw usedAlready();
    return {
      userId,
      method: verdict.method ?? methodOf.biometric,
      ...(deviceId === undefined ? {} : { deviceId }),
      ...(proofId === undefined ? {} : { ticket: { proofId, ...(proven === undefined ? {} : { proven }) } }),
      // The service has used up what was shown, and its movement spends the ticket: here a signature is kept from allowing two things.
      async spend(tx) {
        if (key !== undefined && !(await spendSignature(tx, key, clock.now() + rememberedMs))) throw usedAlready();
      },
    };
  };
}

type Judge = ReturnType<typeof remoteJudge>;

const remoteChallenges = (service: FactorService, judge: Judge): Challenges => ({
  async requirementFor({ userId, terms, deviceId, isFirstToPayee }) {
    const { reasons, excluded_device: excludedDevice } = await service.post<WireRequirement>(userId, '/requirements', { terms: paymentTermsOnWire(terms), ...(deviceId === undefined ? {} : { device_id: deviceId }), first_to_payee: isFirstToPayee });
    return { reasons, excludedDevice };
  },
  async draft({ userId, terms, excludedDevice }) {
    const challenge = await service.post<ChallengeOnWire>(userId, '/challenges', { terms: paymentTermsOnWire(terms), ...(excludedDevice === undefined ? {} : { excluded_device: excludedDevice }) }).catch((error: unknown) => {
      if ((error as { code?: unknown }).code === 'DEVICE_NOT_REGISTERED') return undefined;
      throw error;
    });
    return challenge === undefined ? undefined : { challenge, save: () => Promise.resolve() };
  },
  verify(userId, subject, answer) {
    const { evidence } = readEvidence(answer.method, answer.credentials, 'credentials', { device_id: answer.device_id, timestamp: answer.timestamp });
    const { method, proof } = evidenceOnWire(evidence);
    return judge(userId, `/challenges/${encodeURIComponent(answer.challenge_id)}/verify`, { payment_id: subject, method, credentials: proof }, evidence, undefined);
  },
});

export function createRemoteMfa(deps: RemoteMfaDependencies): RemoteMfa {
  const recordLock = (userId: UserId, { method, lockedUntil }: Lock): Promise<void> =>
    deps.database.inTransaction((tx) => deps.audit(tx, { actor: { kind: 'user', id: userId }, action: 'factor.locked', target: { kind: 'user', id: userId }, result: 'refused', details: { factor: factorOf[method as Method] ?? method, locked_until: lockedUntil } }));
  const service = new FactorService(deps.ask, deps.clock, recordLock);
  const telling = createTelling({ ...deps, service });
  const parts = { service, telling };
  const judge = remoteJudge({ ...parts, clock: deps.clock });
  return {
    ...remoteMethods(service),
    pins: remotePins(parts),
    totps: remoteTotps(parts),
    devices: remoteDevices(parts),
    passkeys: remotePasskeys(parts),
    challenges: remoteChallenges(service, judge),
    proveTerms: ({ userId, terms, evidence }) => judge(userId, '/proofs', { terms: termsOnWire(terms), auth_proof: evidenceOnWire(evidence) }, evidence, terms.kind === 'payment' ? { id: terms.id, recipient: terms.recipient } : undefined),
    async askPasskey(userId, binding) {
      const { options, expires_at: expiresAt } = await service.post<WireCeremony>(userId, '/passkeys/authenticate/options', binding);
      return { options, expiresAt: Date.parse(expiresAt) };
    },
    async takeAssertion(userId, credential) {
      const { webauthn_proof: proof, expires_at: expiresAt } = await service.once<{ webauthn_proof: string; expires_at: string }>(userId, '/passkeys/authenticate/verify', { credential });
      return { proof, expiresAt: Date.parse(expiresAt) };
    },
    administration: {
      unlock: async (userId, administrator) => (await telling.around(userId, () => service.once<{ unlocked: boolean }>(userId, '/unlock', { administrator }))).unlocked,
      removeAll: async (userId, administrator) => (await telling.around(userId, () => service.once<{ removed: number }>(userId, '/remove', { administrator }))).removed,
    },
    async tidyUp(tx, now) {
      await telling.tidyUp(tx, now);
      await purgeExpiredMfa(tx, now);
    },
    jobs: { [tellingJobKind]: telling.job },
  };
}
