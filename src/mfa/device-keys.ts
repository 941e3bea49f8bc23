import { createHash, createPublicKey, verify as verifyWithCallback, type KeyObject, type VerifyKeyObjectInput } from 'node:crypto';
import { promisify } from 'node:util';
import { LRUCache } from 'lru-cache';
import { invalidField } from '../kernel/errors.ts';

export type SignatureAlgorithm = 'ES256' | 'RS256';

/** `public_key` of v1.2.0 section 7.4.5. */
export interface GivenPublicKey {
  readonly algorithm: string;
  readonly format?: string;
  readonly key_data: string;
}

export interface DeviceKey {
  readonly algorithm: SignatureAlgorithm;
  /** SubjectPublicKeyInfo, DER, base64: as this server writes it, however it came. */
  readonly publicKey: string;
  /** `sha256:` and hex. */
  readonly keyHash: string;
}

const algorithms: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['ECDSA_P256', 'ES256'],
  ['ES256', 'ES256'],
  ['RSA_2048', 'RS256'],
  ['RSA_3072', 'RS256'],
  ['RSA_4096', 'RS256'],
  ['RSA', 'RS256'],
  ['RS256', 'RS256'],
]);
export const keyAlgorithms: readonly string[] = [...algorithms.keys()];

const minModulusBits = 2048;
/** Beyond it, verifying costs more than anybody gains. */
const maxModulusBits = 4096;

function weaknessOf(key: KeyObject, algorithm: SignatureAlgorithm): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (algorithm === 'ES256') return type === 'ec' && details?.namedCurve === 'prime256v1' ? undefined : 'must be a P-256 key';
  if (type !== 'rsa') return 'must be an RSA key';
  const bits = details?.modulusLength ?? 0;
  if (bits < minModulusBits || bits > maxModulusBits) return `must have ${minModulusBits} to ${maxModulusBits} bits`;
  return (details?.publicExponent ?? 0n) >= 65537n ? undefined : 'must have a public exponent of at least 65537';
}

/** Reads a public key: P-256, or RSA of at least 2048 bits (section 11.3). Throws INVALID_REQUEST naming the field. */
export function readPublicKey(given: GivenPublicKey): DeviceKey {
  const algorithm = algorithms.get(given.algorithm);
  if (algorithm === undefined) throw invalidField('public_key.algorithm', `must be one of ${keyAlgorithms.join(', ')}`);
  if ((given.format ?? 'SPKI') !== 'SPKI') throw invalidField('public_key.format', 'must be SPKI');
  const text = given.key_data.replace(/-----(BEGIN|END) PUBLIC KEY-----|\s/g, '');
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
  } catch {
    throw invalidField('public_key.key_data', 'must be a SubjectPublicKeyInfo in base64');
  }
  const weakness = weaknessOf(key, algorithm);
  if (weakness !== undefined) throw invalidField('public_key.key_data', weakness);
  const der = key.export({ format: 'der', type: 'spki' });
  return { algorithm, publicKey: der.toString('base64'), keyHash: `sha256:${createHash('sha256').update(der).digest('hex')}` };
}

const maxReadKeys = 1000;
/** Keys by their text, so that one that signs often is not read each time. */
const readKeys = new LRUCache<string, KeyObject>({ max: maxReadKeys, memoMethod: (publicKey) => createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' }) });

/** In a thread of its own: the event loop goes on meanwhile. */
const verify: (algorithm: string, data: Buffer, key: KeyObject | VerifyKeyObjectInput, signature: Buffer) => Promise<boolean> = promisify(verifyWithCallback);

const p1363Bytes = 64;

/** Whether the key signed this text with SHA-256. ES256 comes as r and s one after the other, or as DER. */
export async function isSignedBy({ algorithm, publicKey }: Pick<DeviceKey, 'algorithm' | 'publicKey'>, text: string, signature: Buffer): Promise<boolean> {
  const key = readKeys.memo(publicKey);
  const data = Buffer.from(text);
  if (algorithm === 'ES256' && signature.length === p1363Bytes && (await verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature))) return true;
  // Without options: Node takes several times as long over a key that comes with any.
  return verify('sha256', data, key, signature);
}
