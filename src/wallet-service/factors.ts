import type { Database, Transaction } from '../database/index.ts';
import { answer, type ApiAnswer, type ApiRequest, type Routes } from '../http/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import { actionTermsFromWire, createMfa, createMfaAdministration, deviceOnWire, factorChangeOnWire, factorRefusalOnWire, isFactorRefusal, loweredOnWire, nothingEnrolled, passkeyOnWire, paymentTermsFromWire, purgeExpiredMfa, readAuthProof, requireAuthProof, timeFromWire, type AnnounceChange, type ChallengeAnswer, type DeviceRegistration, type GivenBinding, type GivenPin, type MfaAdministration, type MfaOptions, type OwnMfa, type Requester, type WireTerms } from '../mfa/index.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { readUserId } from '../wallet/index.ts';
import { createCalls, type Calls, type Keep } from './calls.ts';
import { dropProofs, insertFactorChange, listFactorChanges, purgeFactorCalls } from './factor-repo.ts';
import { createProofs, type Proofs } from './proofs.ts';

export interface FactorsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  readonly factors: MfaOptions;
  readonly requireProofs: boolean;
}

/** Second factors behind `/internal/mfa`: the same parts as an embedded wallet has, over the database and the key ring of the service. */
export interface Factors {
  readonly mfa: OwnMfa;
  readonly proofs: Proofs;
  readonly routes: Routes;
}

interface Parts {
  readonly database: Database;
  readonly clock: Clock;
  readonly mfa: OwnMfa;
  readonly proofs: Proofs;
  readonly calls: Calls;
  readonly administration: MfaAdministration;
}

type Work = (userId: UserId, request: ApiRequest, keep: Keep) => Promise<object>;

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const shownChanges = 50;

/** tmcp-server records what it is answered. */
const noAudit = (): Promise<void> => Promise.resolve();
/** Nobody works jobs here: what is due is done when its user is next asked about. */
const noJobs = { enqueue: (): void => {} };

/** For tmcp-server to tell of. What was proven before counts no longer once a factor changes. */
const noteChange: AnnounceChange = async (tx, made) => {
  const id = newId('fc');
  await insertFactorChange(tx, made.userId, id, JSON.stringify(factorChangeOnWire(id, made)), made.changedAt);
  if (made.change !== 'used' && made.change !== 'unlocked') await dropProofs(tx, made.userId);
};

const bodyOf = <Body>(request: ApiRequest): Body => request.body as Body;

function requesterIn(userId: UserId, request: ApiRequest): Requester {
  return { userId, matrixProvenAt: timeFromWire(bodyOf<{ matrix_proven_at?: string }>(request).matrix_proven_at) };
}

const evidenceIn = (request: ApiRequest) => readAuthProof(bodyOf<{ auth_proof?: unknown }>(request).auth_proof);

/** Every minute at most. */
function createChore({ database, clock }: Pick<FactorsDependencies, 'database' | 'clock'>): () => Promise<void> {
  let doneAt = 0;
  return async () => {
    const now = clock.now();
    if (now < doneAt + minuteMs) return;
    doneAt = now;
    await database.inTransaction(async (tx: Transaction) => {
      await purgeFactorCalls(tx, { calls: now - hourMs, proofs: now - dayMs, changes: now - 30 * dayMs });
      await purgeExpiredMfa(tx, now);
    });
  };
}

/** Operations that only look. */
const looks = ({ mfa, database }: Parts): Readonly<Record<string, Work>> => ({
  async getFactors(userId) {
    const { methods, recoveryCodesLeft, pinResetEffectiveAt, limitsLoweredUntil } = await mfa.overviewOf(userId);
    return { methods, recovery_codes_left: recoveryCodesLeft, ...(pinResetEffectiveAt === undefined ? {} : { pin_reset_effective_at: isoTime(pinResetEffectiveAt) }), ...loweredOnWire(limitsLoweredUntil) };
  },
  async getMfaRequirements(userId, request) {
    const { terms, device_id: deviceId, first_to_payee: isFirstToPayee } = bodyOf<{ terms: Extract<WireTerms, { id: string }>; device_id?: string; first_to_payee: boolean }>(request);
    const { reasons, excludedDevice } = await mfa.challenges.requirementFor({ userId, terms: paymentTermsFromWire(terms), deviceId, isFirstToPayee });
    return { mfa_required: reasons.length > 0, reasons, ...(excludedDevice === undefined ? {} : { excluded_device: excludedDevice }), available_methods: await mfa.methodsOf(userId), max_attempts: mfa.maxAttempts };
  },
  listDevices: async (userId) => ({ devices: (await mfa.devices.list(userId)).map(deviceOnWire) }),
  listPasskeys: async (userId) => ({ passkeys: (await mfa.passkeys.list(userId)).map(passkeyOnWire) }),
  listFactorChanges: async (userId) => ({ changes: (await listFactorChanges(database, userId, shownChanges)).map((text) => JSON.parse(text) as object) }),
  async openChallenge(userId, request) {
    const { terms, excluded_device: excludedDevice } = bodyOf<{ terms: Extract<WireTerms, { id: string }>; excluded_device?: string }>(request);
    const draft = await mfa.challenges.draft({ userId, terms: paymentTermsFromWire(terms), excludedDevice });
    if (draft === undefined) throw nothingEnrolled();
    await database.inTransaction((tx) => draft.save(tx));
    return draft.challenge;
  },
  async askPasskey(userId, request) {
    const { options, expiresAt } = await mfa.askPasskey(userId, bodyOf<GivenBinding & { challenge_id?: string }>(request));
    return { options, expires_at: isoTime(expiresAt) };
  },
});

/** Operations that judge what a user shows. */
const judgements = ({ mfa, proofs }: Parts): Readonly<Record<string, Work>> => ({
  async verifyMfaChallenge(userId, request, keep) {
    const { payment_id: paymentId, ...given } = bodyOf<Omit<ChallengeAnswer, 'challenge_id'> & { payment_id: string }>(request);
    const challengeId = request.path.challenge_id as string;
    const terms = await mfa.challenges.termsOf(userId, challengeId);
    return proofs.verdict(userId, () => mfa.challenges.verify(userId, paymentId, { ...given, challenge_id: challengeId }), terms, keep);
  },
  async proveTerms(userId, request, keep) {
    const { terms: wire, auth_proof: authProof } = bodyOf<{ terms: WireTerms; auth_proof: unknown }>(request);
    const evidence = requireAuthProof(authProof);
    const terms = 'action' in wire ? actionTermsFromWire(wire) : paymentTermsFromWire(wire);
    return proofs.verdict(userId, () => mfa.proveTerms({ userId, terms, evidence }), terms.kind === 'payment' ? terms : undefined, keep);
  },
  async verifyPasskey(userId, request) {
    const { proof, expiresAt } = await mfa.takeAssertion(userId, bodyOf<{ credential: object }>(request).credential);
    return { webauthn_proof: proof, expires_at: isoTime(expiresAt) };
  },
});

/** Operations that change what a user can show. */
const changes = ({ mfa, administration }: Parts): Readonly<Record<string, Work>> => ({
  async setPin(userId, request) {
    const { pin, hashed_pin } = bodyOf<GivenPin>(request);
    const { isNew, limitsLoweredUntil } = await mfa.pins.set(requesterIn(userId, request), { ...(pin === undefined ? {} : { pin }), ...(hashed_pin === undefined ? {} : { hashed_pin }) }, evidenceIn(request));
    return { is_new: isNew, ...loweredOnWire(limitsLoweredUntil) };
  },
  async requestPinReset(userId, request) {
    const { resetId, effectiveAt } = await mfa.pins.requestReset(requesterIn(userId, request), bodyOf<GivenPin>(request));
    return { reset_id: resetId, effective_at: isoTime(effectiveAt) };
  },
  async cancelPinReset(userId) {
    await mfa.pins.cancelReset(userId);
    return {};
  },
  async enrollTotp(userId, request) {
    const { secret, otpauthUri, qrCode, expiresAt } = await mfa.totps.enrol(requesterIn(userId, request), evidenceIn(request));
    return { secret, otpauth_uri: otpauthUri, qr_code: qrCode, expires_at: isoTime(expiresAt) };
  },
  async confirmTotp(userId, request) {
    const { recoveryCodes, limitsLoweredUntil } = await mfa.totps.confirm({ userId, matrixProvenAt: undefined }, bodyOf<{ code: string }>(request).code);
    return { recovery_codes: recoveryCodes, ...loweredOnWire(limitsLoweredUntil) };
  },
  async removeTotp(userId, request) {
    return loweredOnWire((await mfa.totps.remove(requesterIn(userId, request), evidenceIn(request))).limitsLoweredUntil);
  },
  async registerDevice(userId, request) {
    const { device, limitsLoweredUntil } = await mfa.devices.register(requesterIn(userId, request), bodyOf<DeviceRegistration>(request), evidenceIn(request));
    return { ...deviceOnWire(device), ...loweredOnWire(limitsLoweredUntil) };
  },
  async removeDevice(userId, request) {
    return loweredOnWire((await mfa.devices.remove(requesterIn(userId, request), request.path.device_id as string, evidenceIn(request))).limitsLoweredUntil);
  },
  async beginPasskey(userId, request) {
    const { options, expiresAt } = await mfa.passkeys.begin(requesterIn(userId, request), evidenceIn(request));
    return { options, expires_at: isoTime(expiresAt) };
  },
  async registerPasskey(userId, request) {
    const { credential, name } = bodyOf<{ credential: object; name: string }>(request);
    const { passkey, limitsLoweredUntil } = await mfa.passkeys.finish({ userId, matrixProvenAt: undefined }, credential, name);
    return { ...passkeyOnWire(passkey), ...loweredOnWire(limitsLoweredUntil) };
  },
  async removePasskey(userId, request) {
    return loweredOnWire((await mfa.passkeys.remove(requesterIn(userId, request), request.path.credential_id as string, evidenceIn(request))).limitsLoweredUntil);
  },
  unlockFactors: async (userId, request) => ({ unlocked: await administration.unlock(userId, bodyOf<{ administrator: string }>(request).administrator) }),
  removeFactors: async (userId, request) => ({ removed: await administration.removeAll(userId, bodyOf<{ administrator: string }>(request).administrator) }),
});

/** A no is an answer too: it is kept under the key, as any other. */
async function answered(work: () => Promise<object>): Promise<ApiAnswer> {
  try {
    return answer(await work());
  } catch (error) {
    if (!isFactorRefusal(error)) throw error;
    return answer({ error: factorRefusalOnWire(error) }, 422);
  }
}

const mapped = (works: Readonly<Record<string, Work>>, route: (work: Work, operation: string) => Routes[string]): Routes => Object.fromEntries(Object.entries(works).map(([operation, work]) => [operation, route(work, operation)]));

export function createFactors(deps: FactorsDependencies): Factors {
  const { database, clock, factors: options } = deps;
  const mfa = createMfa({ ...deps, queue: noJobs, announce: noteChange, audit: noAudit, options });
  const parts: Parts = { database, clock, mfa, proofs: createProofs(deps), calls: createCalls(deps), administration: createMfaAdministration({ database, clock, announce: noteChange, loweredLimitsMs: options.loweredLimitsMs }) };
  const chore = createChore(deps);
  const userIn = async (request: ApiRequest): Promise<UserId> => {
    const userId = readUserId(request.path.user_id, 'user_id');
    await chore();
    await mfa.pins.applyDueReset(userId);
    return userId;
  };
  const plain = (work: Work): Routes[string] => async (request) => {
    const userId = await userIn(request);
    return answered(() => work(userId, request, () => Promise.resolve()));
  };
  const once = (work: Work, operation: string): Routes[string] => async (request) => {
    const userId = await userIn(request);
    return parts.calls.once(String(request.headers['idempotency-key']), { operation, path: request.path, body: request.body }, (keep) => answered(() => work(userId, request, keep)));
  };
  return { mfa, proofs: parts.proofs, routes: { ...mapped(looks(parts), plain), ...mapped({ ...judgements(parts), ...changes(parts) }, once) } };
}
