import { invalidField } from '../../kernel/errors.ts';
import type { UserId } from '../../kernel/ids.ts';
import type { Devices, ShownDevice } from '../devices.ts';
import type { PasskeyChanges, ShownPasskey } from '../passkey-changes.ts';
import type { PinChanges } from '../pin-changes.ts';
import type { TotpChanges } from '../totp-changes.ts';
import type { FactorService } from './service.ts';
import type { Telling } from './telling.ts';
import { requesterOnWire, timeFromWire, type WireCeremony, type WireChanged, type WireDevice, type WirePasskey } from './wire.ts';

export interface RemoteChangesDependencies {
  readonly service: FactorService;
  readonly telling: Telling;
}

/** A change that the service makes and the user is told of. */
const changing = ({ service, telling }: RemoteChangesDependencies) => <Answer>(userId: UserId, rest: string, body: object): Promise<Answer> => telling.around(userId, () => service.once<Answer>(userId, rest, body));

const lowered = ({ limits_lowered_until: until }: WireChanged) => ({ limitsLoweredUntil: timeFromWire(until) });

export function remotePins(deps: RemoteChangesDependencies): PinChanges {
  const change = changing(deps);
  return {
    async set(requester, { pin, hashed_pin }, evidence) {
      const given = { ...(pin === undefined ? {} : { pin }), ...(hashed_pin === undefined ? {} : { hashed_pin }) };
      const answer = await change<WireChanged>(requester.userId, '/pin', { ...given, ...requesterOnWire(requester, evidence) });
      return { isNew: answer.is_new === true, ...lowered(answer) };
    },
    // The service activates an account in a transaction of its own: the two would not happen together.
    prepareFirst: (_requester, _pin, field) => Promise.reject(invalidField(field, 'is not taken here, because a wallet service keeps the PINs: it has its own endpoint')),
    async requestReset(requester, { pin, hashed_pin }) {
      const given = { ...(pin === undefined ? {} : { pin }), ...(hashed_pin === undefined ? {} : { hashed_pin }) };
      const answer = await change<{ reset_id: string; effective_at: string }>(requester.userId, '/pin/reset', { ...given, ...requesterOnWire(requester, undefined) });
      return { resetId: answer.reset_id, effectiveAt: Date.parse(answer.effective_at) };
    },
    async cancelReset(userId) {
      await change(userId, '/pin/reset/cancel', {});
    },
  };
}

export function remoteTotps(deps: RemoteChangesDependencies): TotpChanges {
  const change = changing(deps);
  return {
    async enrol(requester, evidence) {
      const { userId } = requester;
      // Nothing is changed before the confirmation, but a recovery code may be used up.
      const answer = await change<{ secret: string; otpauth_uri: string; qr_code: string; expires_at: string }>(userId, '/totp/enroll', requesterOnWire(requester, evidence));
      return { secret: answer.secret, otpauthUri: answer.otpauth_uri, qrCode: answer.qr_code, expiresAt: Date.parse(answer.expires_at) };
    },
    async confirm({ userId }, code) {
      const answer = await change<WireChanged & { recovery_codes: readonly string[] }>(userId, '/totp/confirm', { code });
      return { recoveryCodes: answer.recovery_codes, ...lowered(answer) };
    },
    remove: async (requester, evidence) => lowered(await change(requester.userId, '/totp/remove', requesterOnWire(requester, evidence))),
  };
}

const deviceFromWire = (wire: WireDevice): ShownDevice => ({
  deviceId: wire.device_id,
  name: wire.device_name,
  platform: wire.platform,
  algorithm: wire.algorithm,
  keyHash: wire.public_key_hash,
  capabilities: wire.biometric_capabilities,
  registeredAt: Date.parse(wire.registered_at),
});

export function remoteDevices(deps: RemoteChangesDependencies): Devices {
  const change = changing(deps);
  return {
    async register(requester, { device_id, device_name, platform, public_key, biometric_capabilities, proof }, evidence) {
      const registration = { device_id, ...(device_name === undefined ? {} : { device_name }), ...(platform === undefined ? {} : { platform }), public_key, ...(biometric_capabilities === undefined ? {} : { biometric_capabilities }), ...(proof === undefined ? {} : { proof }) };
      const answer = await change<WireDevice>(requester.userId, '/devices', { ...registration, ...requesterOnWire(requester, evidence) });
      return { device: deviceFromWire(answer), ...lowered(answer) };
    },
    list: async (userId) => (await deps.service.get<{ devices: readonly WireDevice[] }>(userId, '/devices')).devices.map(deviceFromWire),
    remove: async (requester, deviceId, evidence) => lowered(await change(requester.userId, `/devices/${encodeURIComponent(deviceId)}/remove`, requesterOnWire(requester, evidence))),
  };
}

const passkeyFromWire = (wire: WirePasskey): ShownPasskey => ({ credentialId: wire.credential_id, name: wire.name, transports: wire.transports, registeredAt: Date.parse(wire.registered_at) });

export function remotePasskeys(deps: RemoteChangesDependencies): PasskeyChanges {
  const change = changing(deps);
  return {
    async begin(requester, evidence) {
      const { options, expires_at: expiresAt } = await change<WireCeremony>(requester.userId, '/passkeys/options', requesterOnWire(requester, evidence));
      return { options, expiresAt: Date.parse(expiresAt) };
    },
    async finish({ userId }, credential, name) {
      const answer = await change<WirePasskey>(userId, '/passkeys', { credential, name });
      return { passkey: passkeyFromWire(answer), ...lowered(answer) };
    },
    list: async (userId) => (await deps.service.get<{ passkeys: readonly WirePasskey[] }>(userId, '/passkeys')).passkeys.map(passkeyFromWire),
    remove: async (requester, credentialId, evidence) => lowered(await change(requester.userId, `/passkeys/${encodeURIComponent(credentialId)}/remove`, requesterOnWire(requester, evidence))),
  };
}
