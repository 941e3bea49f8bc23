import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { sha256Hex, type UserId } from '../kernel/ids.ts';
import type { Changes } from './changes.ts';
import { isSignedBy, readPublicKey, type GivenPublicKey } from './device-keys.ts';
import { deleteDevice, findDevice, holdDevice, listDevices, saveDevice, spendSignature, type Device } from './device-repo.ts';
import { readEvidence, readTimestamp } from './evidence.ts';
import type { Spend } from './pins.ts';
import { attestationWindowMs, type Expected } from './terms.ts';
import type { Evidence, Requester } from './types.ts';

type SignatureEvidence = Extract<Evidence, { kind: 'signature' }>;

/** The keys of a user's devices as judges of signatures (decision D6). */
export interface DeviceSignatures {
  /**
   * How to spend the signature, or undefined when it is wrong. Throws DEVICE_NOT_REGISTERED, or INVALID_SIGNATURE for a time that
   * is not now.
   */
  judge(userId: UserId, expected: Pick<Expected, 'signedTexts' | 'windowMs'>, evidence: SignatureEvidence): Promise<{ readonly spend: Spend; readonly deviceId: string } | undefined>;
}

/** Far longer than any signature's time counts. */
const spentMs = 24 * 60 * 60_000;

function assertNow(timestamp: string, windowMs: number, now: number): void {
  const offMs = Math.abs(readTimestamp(timestamp, 'timestamp') - now);
  if (offMs > windowMs) throw new AppError('INVALID_SIGNATURE', `timestamp: more than ${windowMs / 1000} seconds off`, { details: [{ field: 'timestamp', problem: `more than ${windowMs / 1000} seconds off` }] });
}

/** The one of `texts` that the device signed. */
async function findSigned(device: Device, texts: readonly string[], signature: Buffer): Promise<string | undefined> {
  for (const text of texts) if (await isSignedBy(device, text, signature)) return text;
  return undefined;
}

export function createDeviceSignatures({ database, clock }: { readonly database: Database; readonly clock: Clock }): DeviceSignatures {
  return {
    async judge(userId, expected, { deviceId, signature, timestamp }) {
      const device = await findDevice(database, userId, deviceId);
      if (device === undefined) throw new AppError('DEVICE_NOT_REGISTERED', 'This device has no registered key', { details: { device_id: deviceId } });
      assertNow(timestamp, expected.windowMs, clock.now());
      const text = await findSigned(device, expected.signedTexts(timestamp), signature);
      if (text === undefined) return undefined;
      return {
        deviceId,
        async spend(tx) {
          if (!(await holdDevice(tx, userId, deviceId, device.keyHash))) throw new AppError('INVALID_SIGNATURE', 'The key of this device was removed meanwhile');
          // By what was signed: the same signature can be written in several ways (DER or not, s or n − s).
          if (!(await spendSignature(tx, sha256Hex(`${device.keyHash}\n${text}`), clock.now() + spentMs))) throw new AppError('INVALID_SIGNATURE', 'This signature was used already');
        },
      };
    },
  };
}

/** Body of `POST /wallet/v1/devices/register` (v1.2.0 section 7.4.5). */
export interface DeviceRegistration {
  readonly device_id: string;
  readonly device_name?: string;
  readonly platform?: string;
  readonly public_key: GivenPublicKey;
  readonly biometric_capabilities?: readonly string[];
  /** That the device has the key: a signature over `{device_id}:{public_key_hash}:{timestamp}`. */
  readonly proof?: { readonly signature: string; readonly timestamp: string };
}

/** A device as its owner sees it. */
export type ShownDevice = Omit<Device, 'publicKey'>;

export interface Devices {
  /** Throws INVALID_REQUEST for a weak key, INVALID_SIGNATURE for a proof of possession that is none, and what `Changes.permit` throws. */
  register(requester: Requester, registration: DeviceRegistration, evidence: Evidence | undefined): Promise<{ readonly device: ShownDevice; readonly limitsLoweredUntil: number | undefined }>;
  list(userId: UserId): Promise<readonly ShownDevice[]>;
  /** Throws NOT_FOUND, and what `Changes.permit` throws. */
  remove(requester: Requester, deviceId: string, evidence: Evidence | undefined): Promise<{ readonly limitsLoweredUntil: number | undefined }>;
}

const maxDevices = 20;
const noDevice = (): AppError => new AppError('NOT_FOUND', 'No device of this id is registered');

export function createDevices({ database, clock, changes }: { readonly database: Database; readonly clock: Clock; readonly changes: Changes }): Devices {
  const assertPossession = async (registration: DeviceRegistration, key: ReturnType<typeof readPublicKey>): Promise<void> => {
    if (registration.proof === undefined) return;
    const { evidence } = readEvidence('biometric', { ...registration.proof, device_id: registration.device_id }, 'proof');
    if (evidence.kind !== 'signature') throw invalidField('proof.signature', 'is required');
    assertNow(evidence.timestamp, attestationWindowMs, clock.now());
    if (!(await isSignedBy(key, `${registration.device_id}:${key.keyHash}:${evidence.timestamp}`, evidence.signature))) throw new AppError('INVALID_SIGNATURE', 'proof: not signed by this key');
  };

  return {
    async register(requester, registration, evidence) {
      const { userId } = requester;
      const key = readPublicKey(registration.public_key);
      await assertPossession(registration, key);
      const permission = await changes.permit(requester, { kind: 'action', action: 'mfa.device.register', subject: key.keyHash }, evidence);
      const deviceId = registration.device_id;
      return database.inTransaction(async (tx) => {
        await permission.use(tx);
        const known = await listDevices(tx, userId);
        const isNew = !known.some((device) => device.deviceId === deviceId);
        if (isNew && known.length >= maxDevices) throw new AppError('ALREADY_EXISTS', `A user has at most ${maxDevices} devices: remove one first`);
        const device: Device = { ...key, deviceId, name: registration.device_name ?? deviceId, platform: registration.platform, capabilities: registration.biometric_capabilities ?? [], registeredAt: clock.now() };
        await saveDevice(tx, userId, device);
        const limitsLoweredUntil = await changes.record(tx, { userId, factor: 'device', change: isNew ? 'added' : 'changed', allowedBy: permission.allowedBy, subject: deviceId, name: device.name });
        return { device, limitsLoweredUntil };
      });
    },
    list: (userId) => listDevices(database, userId),
    async remove(requester, deviceId, evidence) {
      const { userId } = requester;
      const device = await findDevice(database, userId, deviceId);
      if (device === undefined) throw noDevice();
      const permission = await changes.permit(requester, { kind: 'action', action: 'mfa.device.remove', subject: deviceId }, evidence);
      return database.inTransaction(async (tx) => {
        await permission.use(tx);
        if (!(await deleteDevice(tx, userId, deviceId))) throw noDevice();
        return { limitsLoweredUntil: await changes.record(tx, { userId, factor: 'device', change: 'removed', allowedBy: permission.allowedBy, subject: deviceId, name: device.name }) };
      });
    },
  };
}
