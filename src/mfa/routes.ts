import { answer, principalOf, type ApiRequest, type Routes, type SessionPrincipal } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { loweredOnWire } from './change-log.ts';
import type { DeviceRegistration, ShownDevice } from './devices.ts';
import { readAuthProof } from './evidence.ts';
import type { Mfa } from './mfa.ts';
import type { ShownPasskey } from './passkey-changes.ts';
import type { GivenBinding } from './passkeys.ts';
import type { GivenPin } from './pins.ts';
import type { Evidence, Requester } from './types.ts';

/** Who asks, and when a Matrix token of theirs last proved it: an OpenID token or a browser's session is none (decision D20). */
export function requesterOfSession({ userId, provenBy, matrixProvenAt, origin }: SessionPrincipal): Requester {
  const isByMatrixToken = origin === 'token_exchange' && (provenBy === 'whoami' || provenBy === 'mas');
  return { userId, matrixProvenAt: isByMatrixToken ? matrixProvenAt : undefined };
}

const requesterOf = (request: ApiRequest): Requester => requesterOfSession(principalOf(request, 'session'));

const proofOf = (request: ApiRequest): Evidence | undefined => readAuthProof((request.body as { auth_proof?: unknown }).auth_proof);

/** `current_pin` is a short form of an `auth_proof` by PIN. */
function pinChangeProofOf(request: ApiRequest): Evidence | undefined {
  const { auth_proof: authProof, current_pin: currentPin } = request.body as { auth_proof?: unknown; current_pin?: string };
  if (currentPin === undefined) return readAuthProof(authProof);
  if (authProof !== undefined) throw invalidField('current_pin', 'is one proof, and auth_proof another: send one of them');
  return readAuthProof({ method: 'transaction_pin', proof: { pin: currentPin } });
}

export const deviceOnWire = (device: ShownDevice): object => ({
  device_id: device.deviceId,
  device_name: device.name,
  ...(device.platform === undefined ? {} : { platform: device.platform }),
  algorithm: device.algorithm,
  public_key_hash: device.keyHash,
  biometric_capabilities: device.capabilities,
  registered_at: isoTime(device.registeredAt),
  status: 'active',
});

const pinRoutes = (mfa: Mfa): Routes => ({
  async setPin(request) {
    const { isNew, limitsLoweredUntil } = await mfa.pins.set(requesterOf(request), request.body as GivenPin, pinChangeProofOf(request));
    return answer({ status: isNew ? 'set' : 'changed', ...loweredOnWire(limitsLoweredUntil) }, isNew ? 201 : 200);
  },
  async requestPinReset(request) {
    const { resetId, effectiveAt } = await mfa.pins.requestReset(requesterOf(request), request.body as GivenPin);
    return answer({ reset_id: resetId, status: 'pending', effective_at: isoTime(effectiveAt) }, 202);
  },
  async cancelPinReset(request) {
    await mfa.pins.cancelReset(principalOf(request, 'session').userId);
    return answer({ status: 'cancelled' });
  },
});

const totpRoutes = (mfa: Mfa): Routes => ({
  async enrollTotp(request) {
    const { secret, otpauthUri, qrCode, expiresAt } = await mfa.totps.enrol(requesterOf(request), proofOf(request));
    return answer({ secret, otpauth_uri: otpauthUri, qr_code: qrCode, status: 'pending', expires_at: isoTime(expiresAt) }, 201);
  },
  async confirmTotp(request) {
    const { recoveryCodes, limitsLoweredUntil } = await mfa.totps.confirm(requesterOf(request), (request.body as { code: string }).code);
    return answer({ status: 'active', recovery_codes: recoveryCodes, ...loweredOnWire(limitsLoweredUntil) });
  },
  async removeTotp(request) {
    const { limitsLoweredUntil } = await mfa.totps.remove(requesterOf(request), proofOf(request));
    return answer({ status: 'removed', ...loweredOnWire(limitsLoweredUntil) });
  },
});

const deviceRoutes = (mfa: Mfa): Routes => ({
  async registerDevice(request) {
    const { device, limitsLoweredUntil } = await mfa.devices.register(requesterOf(request), request.body as DeviceRegistration, proofOf(request));
    return answer({ ...deviceOnWire(device), ...loweredOnWire(limitsLoweredUntil) }, 201);
  },
  async listDevices(request) {
    return answer({ devices: (await mfa.devices.list(principalOf(request, 'session').userId)).map(deviceOnWire) });
  },
  async removeDevice(request) {
    const { limitsLoweredUntil } = await mfa.devices.remove(requesterOf(request), request.path.deviceId as string, proofOf(request));
    return answer({ status: 'removed', ...loweredOnWire(limitsLoweredUntil) });
  },
});

export const passkeyOnWire = (passkey: ShownPasskey): object => ({ credential_id: passkey.credentialId, name: passkey.name, transports: passkey.transports, registered_at: isoTime(passkey.registeredAt), status: 'active' });

const passkeyRoutes = (mfa: Mfa): Routes => ({
  async beginPasskey(request) {
    const { options, expiresAt } = await mfa.passkeys.begin(requesterOf(request), proofOf(request));
    return answer({ options, expires_at: isoTime(expiresAt) });
  },
  async registerPasskey(request) {
    const { credential, name } = request.body as { credential: object; name?: string };
    const { passkey, limitsLoweredUntil } = await mfa.passkeys.finish(requesterOf(request), credential, name ?? 'Passkey');
    return answer({ ...passkeyOnWire(passkey), ...loweredOnWire(limitsLoweredUntil) }, 201);
  },
  async askPasskey(request) {
    const { options, expiresAt } = await mfa.askPasskey(principalOf(request, 'session').userId, request.body as GivenBinding & { challenge_id?: string });
    return answer({ options, expires_at: isoTime(expiresAt) });
  },
  async verifyPasskey(request) {
    const { proof, expiresAt } = await mfa.takeAssertion(principalOf(request, 'session').userId, (request.body as { credential: object }).credential);
    return answer({ verified: true, webauthn_proof: proof, expires_at: isoTime(expiresAt) });
  },
  async listPasskeys(request) {
    return answer({ passkeys: (await mfa.passkeys.list(principalOf(request, 'session').userId)).map(passkeyOnWire) });
  },
  async removePasskey(request) {
    const { limitsLoweredUntil } = await mfa.passkeys.remove(requesterOf(request), request.path.credentialId as string, proofOf(request));
    return answer({ status: 'removed', ...loweredOnWire(limitsLoweredUntil) });
  },
});

/** `/wallet/v1/mfa/*` and `/wallet/v1/devices*`. */
export function mfaRoutes(mfa: Mfa): Routes {
  return {
    ...pinRoutes(mfa),
    ...totpRoutes(mfa),
    ...deviceRoutes(mfa),
    ...passkeyRoutes(mfa),
    async listMfaMethods(request) {
      const { methods, recoveryCodesLeft, pinResetEffectiveAt, limitsLoweredUntil } = await mfa.overviewOf(principalOf(request, 'session').userId);
      return answer({ methods, recovery_codes_left: recoveryCodesLeft, ...(pinResetEffectiveAt === undefined ? {} : { pin_reset: { status: 'pending', effective_at: isoTime(pinResetEffectiveAt) } }), ...loweredOnWire(limitsLoweredUntil) });
    },
  };
}
