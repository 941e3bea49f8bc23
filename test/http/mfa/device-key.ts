import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** A key as a device's keystore has it. */
export interface DeviceKey {
  readonly publicKey: { readonly algorithm: string; readonly format: string; readonly key_data: string };
  readonly privateKey: KeyObject;
}

const described = (algorithm: string, { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }): DeviceKey => ({
  publicKey: { algorithm, format: 'SPKI', key_data: publicKey.export({ format: 'der', type: 'spki' }).toString('base64') },
  privateKey,
});

export const newEcKey = (namedCurve = 'prime256v1'): DeviceKey => described('ECDSA_P256', generateKeyPairSync('ec', { namedCurve }));
export const newRsaKey = (modulusLength = 2048, publicExponent = 65537): DeviceKey => described('RSA_2048', generateKeyPairSync('rsa', { modulusLength, publicExponent }));

/** ES256 as DER, or RS256. */
export const signDer = ({ privateKey }: DeviceKey, text: string): string => sign('sha256', Buffer.from(text), privateKey).toString('base64');
/** ES256 as r and s one after the other. */
export const signRaw = ({ privateKey }: DeviceKey, text: string): string => sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64');

/** The other signature that is as good: s replaced by n − s, as anybody can. */
export function malleated(rawBase64: string): string {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const bytes = Buffer.from(rawBase64, 'base64');
  const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  return Buffer.concat([bytes.subarray(0, 32), Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')]).toString('base64');
}
