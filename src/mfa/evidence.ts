import { invalidField } from '../kernel/errors.ts';
import { pinDigest } from './pins.ts';
import type { Evidence, Method } from './types.ts';

/** The names that the specification's sections have for the same three methods. */
const methods: ReadonlyMap<string, Method> = new Map([
  ['transaction_pin', 'transaction_pin'],
  ['pin', 'transaction_pin'],
  ['biometric', 'biometric'],
  ['webauthn', 'biometric'],
  ['totp', 'totp'],
  ['otp', 'totp'],
]);

export const methodNames: readonly string[] = [...methods.keys()];

type Fields = Readonly<Record<string, unknown>>;

/** What travels beside the credentials in the body of `mfa/verify` (v1.2.0 section 7.4.3); the credentials' own fields go before. */
export interface Beside {
  readonly device_id?: unknown;
  readonly timestamp?: unknown;
}

const timestampForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
const base64Form = /^[A-Za-z0-9+/_-]{40,1400}={0,2}$/;
const recoveryForm = /^[a-z2-7]{4}(-?[a-z2-7]{4}){3}$/i;

function textOf(fields: Fields, names: readonly string[], where: string): string {
  const name = names.find((one) => fields[one] !== undefined) ?? names[0]!;
  const value = fields[name];
  if (value === undefined) throw invalidField(`${where}.${name}`, 'is required');
  if (typeof value !== 'string' || value.length > 2000) throw invalidField(`${where}.${name}`, 'must be a string');
  return value;
}

/** Milliseconds since the epoch of a time with its zone (RFC 3339). Throws INVALID_REQUEST naming `field`. */
export function readTimestamp(text: string, field: string): number {
  const time = timestampForm.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw invalidField(field, 'must be a time such as 2025-12-18T14:30:15Z');
  return time;
}

function readSignature(fields: Fields, where: string): Evidence {
  const text = textOf(fields, ['signature', 'attestation'], where);
  if (!base64Form.test(text)) throw invalidField(`${where}.signature`, 'must be a signature in base64');
  const timestamp = textOf(fields, ['timestamp'], where);
  readTimestamp(timestamp, `${where}.timestamp`);
  return { kind: 'signature', signature: Buffer.from(text, 'base64'), deviceId: textOf(fields, ['device_id'], where), timestamp };
}

function readBiometric(fields: Fields, where: string): Evidence {
  if (fields.webauthn_proof !== undefined) return { kind: 'ceremony_proof', proof: textOf(fields, ['webauthn_proof'], where) };
  if (fields.webauthn === undefined) return readSignature(fields, where);
  if (typeof fields.webauthn !== 'object' || fields.webauthn === null) throw invalidField(`${where}.webauthn`, 'must be the object that the authenticator answered');
  return { kind: 'assertion', response: fields.webauthn };
}

function readPin(fields: Fields, where: string): Evidence {
  const digest = pinDigest(textOf(fields, ['hashed_pin', 'pin'], where));
  if (digest === undefined) throw invalidField(`${where}.pin`, 'must be digits, or their SHA-256 as 64 hex digits');
  return { kind: 'pin', digest };
}

function readCode(fields: Fields, where: string): Evidence {
  const code = textOf(fields, ['code', 'otp_code', 'recovery_code'], where).replace(/ /g, '');
  if (/^\d{6}$/.test(code)) return { kind: 'code', code };
  if (recoveryForm.test(code)) return { kind: 'recovery_code', code: code.toLowerCase().replace(/-/g, '') };
  throw invalidField(`${where}.code`, 'must be six digits, or a recovery code');
}

/**
 * Reads what a user shows, in any of the forms of v1.9.0 section 7.2.4 and v1.2.0 section 7.4.3; a bare string is the PIN or the
 * code (decision D7). Throws INVALID_REQUEST naming the field below `where`; no value is repeated in the message.
 */
export function readEvidence(methodName: unknown, given: unknown, where: string, beside: Beside = {}): { readonly method: Method; readonly evidence: Evidence } {
  const method = typeof methodName === 'string' ? methods.get(methodName) : undefined;
  if (method === undefined) throw invalidField('method', `must be one of ${methodNames.join(', ')}`);
  if (typeof given !== 'string' && (typeof given !== 'object' || given === null || Array.isArray(given))) throw invalidField(where, 'must be an object');
  const fields: Fields = typeof given === 'string' ? { pin: given, code: given } : { ...beside, ...given };
  switch (method) {
    case 'transaction_pin':
      return { method, evidence: readPin(fields, where) };
    case 'totp':
      return { method, evidence: readCode(fields, where) };
    case 'biometric':
      return { method, evidence: readBiometric(fields, where) };
  }
}

/** `auth_proof` of a request body (v1.9.0 section 7.2.4). Undefined when there is none; throws INVALID_REQUEST naming the field. */
export function readAuthProof(authProof: unknown): Evidence | undefined {
  if (authProof === undefined) return undefined;
  if (typeof authProof !== 'object' || authProof === null || Array.isArray(authProof)) throw invalidField('auth_proof', 'must be an object');
  const { method, proof } = authProof as { method?: unknown; proof?: unknown };
  return readEvidence(method, proof, 'auth_proof.proof').evidence;
}

/** The same where it can't be left out. */
export function requireAuthProof(authProof: unknown): Evidence {
  const evidence = readAuthProof(authProof);
  if (evidence === undefined) throw invalidField('auth_proof', 'is required');
  return evidence;
}
