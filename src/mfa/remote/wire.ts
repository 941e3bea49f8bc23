import { isoTime } from '../../kernel/clock.ts';
import { AppError, type ErrorCode, type FieldProblem } from '../../kernel/errors.ts';
import { asCurrency, exponentOf } from '../../kernel/money.ts';
import type { MadeChange } from '../change-log.ts';
import type { MethodOnWire } from '../methods.ts';
import type { MfaReason } from '../policy.ts';
import { methodOf, type ActionTerms, type Evidence, type Method, type PaymentTerms, type Requester, type Terms } from '../types.ts';

/** The bodies of `/internal/mfa` in `schema/wallet-service.yaml`, for both ends of the wire. */
export type WireTerms = { readonly id: string; readonly amount_minor: number; readonly currency: string; readonly payee: string } | { readonly action: string; readonly subject: string };
export type WirePaymentTerms = Extract<WireTerms, { id: string }>;

export interface WireRefusal {
  readonly code: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>> | readonly FieldProblem[];
}

export interface WireVerdict {
  readonly verified: boolean;
  readonly proof_id?: string;
  readonly expires_at?: string;
  readonly method?: Method;
  readonly device_id?: string;
  readonly attempts_remaining?: number;
  readonly locked: boolean;
  readonly locked_until?: string;
  readonly refusal?: WireRefusal;
}

export interface WireRequirement {
  readonly mfa_required: boolean;
  readonly reasons: readonly MfaReason[];
  readonly excluded_device?: string;
  readonly available_methods: readonly Method[];
  readonly max_attempts: number;
}

export interface WireFactors {
  readonly methods: readonly MethodOnWire[];
  readonly recovery_codes_left: number;
  readonly pin_reset_effective_at?: string;
  readonly limits_lowered_until?: string;
}

export interface WireAuthProof {
  readonly method: Method;
  readonly proof: Readonly<Record<string, unknown>>;
}

export interface WireRequester {
  readonly matrix_proven_at?: string;
  readonly auth_proof?: WireAuthProof;
}

export interface WireChanged {
  readonly is_new?: boolean;
  readonly limits_lowered_until?: string;
}

export interface WireDevice extends WireChanged {
  readonly device_id: string;
  readonly device_name: string;
  readonly platform?: string;
  readonly algorithm: 'ES256' | 'RS256';
  readonly public_key_hash: string;
  readonly biometric_capabilities: readonly string[];
  readonly registered_at: string;
}

export interface WirePasskey extends WireChanged {
  readonly credential_id: string;
  readonly name: string;
  readonly transports: readonly string[];
  readonly registered_at: string;
}

export interface WireCeremony {
  readonly options: object;
  readonly expires_at: string;
}

export interface WireFactorChange {
  readonly id: string;
  readonly factor: MadeChange['factor'];
  readonly change: MadeChange['change'];
  readonly allowed_by: MadeChange['allowedBy'];
  readonly subject?: string;
  readonly name?: string;
  readonly administrator?: string;
  readonly effective_at?: string;
  readonly limits_lowered_until?: string;
  readonly changed_at: string;
}

export const paymentTermsOnWire = ({ id, amountMinor, currency, recipient }: PaymentTerms): WirePaymentTerms => ({ id, amount_minor: Number(amountMinor), currency, payee: recipient });
export const termsOnWire = (terms: Terms): WireTerms => (terms.kind === 'action' ? { action: terms.action, subject: terms.subject } : paymentTermsOnWire(terms));

/** Throws INVALID_REQUEST for a currency that is none. */
export const paymentTermsFromWire = ({ id, amount_minor, currency, payee }: WirePaymentTerms): PaymentTerms => ({ kind: 'payment', id, amountMinor: amount_minor, currency, exponent: exponentOf(asCurrency(currency)), recipient: payee });
export const actionTermsFromWire = ({ action, subject }: Extract<WireTerms, { action: string }>): ActionTerms => ({ kind: 'action', action, subject });

/** What a user showed, for the service to judge. A PIN goes as its SHA-256. */
export function evidenceOnWire(evidence: Evidence): WireAuthProof {
  switch (evidence.kind) {
    case 'pin':
      return { method: methodOf.pin, proof: { hashed_pin: evidence.digest } };
    case 'code':
      return { method: methodOf.totp, proof: { code: evidence.code } };
    case 'recovery_code':
      return { method: methodOf.totp, proof: { recovery_code: evidence.code } };
    case 'signature':
      return { method: methodOf.biometric, proof: { signature: evidence.signature.toString('base64'), device_id: evidence.deviceId, timestamp: evidence.timestamp } };
    case 'assertion':
      return { method: methodOf.biometric, proof: { webauthn: evidence.response } };
    case 'ceremony_proof':
      return { method: methodOf.biometric, proof: { webauthn_proof: evidence.proof } };
  }
}

export const requesterOnWire = ({ matrixProvenAt }: Requester, evidence: Evidence | undefined): WireRequester => ({
  ...(matrixProvenAt === undefined ? {} : { matrix_proven_at: isoTime(matrixProvenAt) }),
  ...(evidence === undefined ? {} : { auth_proof: evidenceOnWire(evidence) }),
});

/** What a service says no with. Anything else that goes wrong says nothing about the factors. */
export const factorRefusals: ReadonlySet<string> = new Set<ErrorCode>(['INVALID_MFA_CREDENTIALS', 'INVALID_SIGNATURE', 'MFA_LOCKED', 'MFA_REQUIRED', 'MFA_CHALLENGE_EXPIRED', 'DEVICE_NOT_REGISTERED', 'FRESH_SIGN_IN_REQUIRED', 'INVALID_REQUEST', 'INVALID_STATE_TRANSITION', 'NOT_FOUND', 'ALREADY_EXISTS']);
/** Of them, what a wrong proof is told. */
export const proofRefusals: ReadonlySet<string> = new Set<ErrorCode>(['INVALID_MFA_CREDENTIALS', 'INVALID_SIGNATURE', 'MFA_LOCKED']);

export const isFactorRefusal = (error: unknown): error is AppError => error instanceof AppError && factorRefusals.has(error.code);

export const factorRefusalOnWire = ({ code, message, details }: AppError): WireRefusal => ({ code, message, ...(details === undefined ? {} : { details }) });

/** Undefined for a code that is none of those. */
export function factorRefusalFromWire({ code, message, details }: WireRefusal, now: number): AppError | undefined {
  if (!factorRefusals.has(code)) return undefined;
  const lockedUntil = Date.parse(String((details as { locked_until?: unknown } | undefined)?.locked_until));
  return new AppError(code as ErrorCode, message, { ...(details === undefined ? {} : { details }), ...(code === 'MFA_LOCKED' && !Number.isNaN(lockedUntil) ? { retryAfterMs: Math.max(1000, lockedUntil - now) } : {}) });
}

const optional = <Name extends string, Value>(name: Name, value: Value | undefined): { [key in Name]?: Value } => (value === undefined ? {} : ({ [name]: value } as { [key in Name]: Value }));
const optionalTime = <Name extends string>(name: Name, time: number | undefined): { [key in Name]?: string } => optional(name, time === undefined ? undefined : isoTime(time));

export const factorChangeOnWire = (id: string, { factor, change, allowedBy, subject, name, administrator, effectiveAt, limitsLoweredUntil, changedAt }: MadeChange): WireFactorChange => ({
  id,
  factor,
  change,
  allowed_by: allowedBy,
  ...optional('subject', subject),
  ...optional('name', name),
  ...optional('administrator', administrator),
  ...optionalTime('effective_at', effectiveAt),
  ...optionalTime('limits_lowered_until', limitsLoweredUntil),
  changed_at: isoTime(changedAt),
});

/** Undefined when there is no such time. */
export const timeFromWire = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));

export const factorChangeFromWire = (userId: MadeChange['userId'], wire: WireFactorChange): MadeChange => ({
  userId,
  factor: wire.factor,
  change: wire.change,
  allowedBy: wire.allowed_by,
  ...optional('subject', wire.subject),
  ...optional('name', wire.name),
  ...optional('administrator', wire.administrator),
  ...optional('effectiveAt', timeFromWire(wire.effective_at)),
  limitsLoweredUntil: timeFromWire(wire.limits_lowered_until),
  changedAt: Date.parse(wire.changed_at),
});
