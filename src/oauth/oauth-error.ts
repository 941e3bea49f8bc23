import { errors } from 'oidc-provider';
import { outageOf } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';

export type OAuthErrorName = 'invalid_request' | 'invalid_client' | 'invalid_grant' | 'invalid_scope' | 'invalid_target' | 'unauthorized_client' | 'access_denied' | 'consent_required' | 'temporarily_unavailable' | 'rate_limit_exceeded' | 'slow_down';

/** An error in the form of RFC 6749 section 5.2, with the status and the further fields that TMCP wants. */
export class OAuthError extends errors.OIDCProviderError {
  readonly fields: Readonly<Record<string, unknown>>;
  /** For `Retry-After`, with a 429 or a 503. */
  retryAfterSeconds: number | undefined;

  constructor(status: number, error: OAuthErrorName, description: string, fields: Readonly<Record<string, unknown>> = {}) {
    super(status, error);
    this.error_description = description;
    this.fields = fields;
    this.expose = true;
  }
}

/** What every refused Matrix token is answered with (specification section 12.3): never why. */
export const matrixTokenRefused = (): OAuthError => new OAuthError(401, 'invalid_grant', 'Matrix token is invalid or expired');

/** The Matrix token could not be checked: neither good nor bad. */
export const proofUnavailable = (): OAuthError => new OAuthError(503, 'temporarily_unavailable', 'Matrix tokens can not be checked at the moment');

/** The same of second factors, which a wallet service may keep. */
export const factorsUnavailable = (): OAuthError => new OAuthError(503, 'temporarily_unavailable', 'Second factors can not be checked at the moment');

/** When to come back after a 503. */
export const outageRetrySeconds = 5;

/** The database could not be asked, which is no fault of the request; undefined for any other error. */
export function outageRefusal(thrown: unknown): OAuthError | undefined {
  const outage = outageOf(thrown);
  return outage === undefined ? undefined : new OAuthError(503, 'temporarily_unavailable', outage.message);
}

/** 429, and when to come back. */
export function tooManyAttempts(retryAfterSeconds: number): OAuthError {
  const error = new OAuthError(429, 'rate_limit_exceeded', 'Too many attempts');
  error.retryAfterSeconds = retryAfterSeconds;
  return error;
}

/** A refusal by the limits of the whole server, in the form of RFC 6749; anything else as it is. */
export function limitRefusal(thrown: unknown): unknown {
  if (!(thrown instanceof AppError) || (thrown.code !== 'RATE_LIMIT_EXCEEDED' && thrown.code !== 'ACCOUNT_SUSPENDED')) return thrown;
  const error = new OAuthError(thrown.status, thrown.code === 'RATE_LIMIT_EXCEEDED' ? 'rate_limit_exceeded' : 'access_denied', thrown.message, thrown.fields);
  error.retryAfterSeconds = Math.ceil((thrown.retryAfterMs ?? 1000) / 1000);
  return error;
}
