import { createPrivateKey, createPublicKey, sign, verify, type JsonWebKey, type KeyObject } from 'node:crypto';

/** What a release is signed for (decision D16). Times are RFC 3339. */
export interface ReleaseStatement {
  readonly miniapp_id: string;
  readonly version: string;
  readonly version_code: number;
  readonly platforms: readonly string[];
  readonly size_bytes: number;
  readonly sha256: string;
  readonly scopes: readonly string[];
  readonly issued_at: string;
  readonly expires_at: string;
}

/** DSSE envelope, protocol version 1: https://github.com/secure-systems-lab/dsse */
export interface Envelope {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

export const releaseType = 'application/vnd.tmcp.release+json';
export const manifestType = 'application/vnd.tmcp.preinstalled+json';

/** DSSE's pre-authentication encoding: what is signed says what it is and how long. */
function encoded(payloadType: string, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `), payload]);
}

export interface SigningKey {
  readonly keyId: string;
  readonly privateKey: KeyObject;
}

/** The envelope as one base64url text, for a JSON field. */
export function signStatement(payloadType: string, statement: object, keys: readonly SigningKey[]): string {
  const payload = Buffer.from(JSON.stringify(statement));
  const signed = encoded(payloadType, payload);
  const envelope: Envelope = { payload: payload.toString('base64'), payloadType, signatures: keys.map(({ keyId, privateKey }) => ({ keyid: keyId, sig: sign(null, signed, privateKey).toString('base64') })) };
  return Buffer.from(JSON.stringify(envelope)).toString('base64url');
}

/** A reason not to install it. */
export class Untrusted extends Error {
  override readonly name = 'Untrusted';
}

const isEnvelope = (value: unknown): value is Envelope => {
  const { payload, payloadType, signatures } = (value ?? {}) as Partial<Envelope>;
  return typeof payload === 'string' && typeof payloadType === 'string' && Array.isArray(signatures) && signatures.every(({ keyid, sig }) => typeof keyid === 'string' && typeof sig === 'string');
};

/**
 * The payload of an envelope that one of the trusted keys signed, as this type of thing; parsed only after that.
 * @throws Untrusted
 */
export function openEnvelope(text: string, payloadType: string, trusted: ReadonlyMap<string, KeyObject>): unknown {
  let envelope: unknown;
  try {
    envelope = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw new Untrusted('the signature is no DSSE envelope');
  }
  if (!isEnvelope(envelope)) throw new Untrusted('the signature is no DSSE envelope');
  if (envelope.payloadType !== payloadType) throw new Untrusted('the signature is for another kind of thing');
  const signed = encoded(envelope.payloadType, Buffer.from(envelope.payload, 'base64'));
  const isSigned = envelope.signatures.some(({ keyid, sig }) => {
    const key = trusted.get(keyid);
    return key !== undefined && verify(null, signed, key, Buffer.from(sig, 'base64'));
  });
  if (!isSigned) throw new Untrusted('no trusted key has signed it');
  return JSON.parse(Buffer.from(envelope.payload, 'base64').toString('utf8'));
}

/** Ed25519 keys by their ids, as `tmcp keys list --json` and the bootstrap show them. */
export const trustedKeys = (keys: readonly { readonly key_id: string; readonly jwk: JsonWebKey }[]): Map<string, KeyObject> => new Map(keys.map(({ key_id: id, jwk }) => [id, createPublicKey({ key: jwk, format: 'jwk' })]));

export const privateKeyOf = (pem: string): KeyObject => createPrivateKey(pem);
