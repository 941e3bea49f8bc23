import type { ErrorRequestHandler, RequestHandler } from 'express';
import { outageOf } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError, errorText, type ErrorCode } from '../kernel/errors.ts';
import { writeJson } from '../kernel/json-text.ts';
import type { Log } from '../kernel/log.ts';

export const notFound: RequestHandler = (_req, _res, next) => next(new AppError('NOT_FOUND', 'No such endpoint'));

interface ParserError {
  type?: string;
  status?: number;
}

/** What express's own parsers and router throw, said in our words. */
function asAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error;
  const outage = outageOf(error);
  if (outage !== undefined) return new AppError('SERVICE_UNAVAILABLE', outage.message, { retryAfterMs: 1000 });
  const { type, status } = (error ?? {}) as ParserError;
  if (type === 'entity.too.large') return new AppError('PAYLOAD_TOO_LARGE', 'The request body is too large');
  if (type === 'entity.parse.failed') return new AppError('INVALID_REQUEST', 'body: is not valid JSON', { details: [{ field: 'body', problem: 'is not valid JSON' }] });
  if (type === 'entity.encoding.invalid') return new AppError('INVALID_REQUEST', 'body: is not valid UTF-8', { details: [{ field: 'body', problem: 'is not valid UTF-8' }] });
  if (type === 'charset.unsupported' || type === 'encoding.unsupported') return new AppError('UNSUPPORTED_MEDIA_TYPE', 'Unsupported charset or content encoding');
  if (error instanceof URIError || (status !== undefined && status >= 400 && status < 500)) return new AppError('INVALID_REQUEST', 'The request could not be read');
  return undefined;
}

/** What RFC 6749, 6750 and specification section 12.3 call these; the other codes are spelt small under `/oauth2`. */
const oauthNames: Readonly<Partial<Record<ErrorCode, string>>> = {
  INTERNAL_ERROR: 'server_error',
  SERVICE_UNAVAILABLE: 'temporarily_unavailable',
  MATRIX_TOKEN_REFUSED: 'invalid_grant',
  INSUFFICIENT_PERMISSIONS: 'access_denied',
  ACCOUNT_SUSPENDED: 'access_denied',
  NOT_FOUND: 'invalid_request',
  UNSUPPORTED_PROTOCOL_VERSION: 'invalid_request',
  METHOD_NOT_ALLOWED: 'invalid_request',
  UNSUPPORTED_MEDIA_TYPE: 'invalid_request',
  PAYLOAD_TOO_LARGE: 'invalid_request',
};

/** The access token is good; what is missing is the user's own hand (RFC 9470 section 3). */
const stepUp = 'Bearer realm="tmcp", error="insufficient_user_authentication"';

/** `WWW-Authenticate` of a 401, where it is not about the access token. */
const challenges: Readonly<Partial<Record<ErrorCode, string>>> = { invalid_client: 'Basic realm="tmcp"', INVALID_MFA_CREDENTIALS: stepUp, INVALID_SIGNATURE: stepUp };

/** The form of RFC 6749 section 5.2. */
const oauthBody = ({ code, message, fields }: AppError): object => ({ error: oauthNames[code] ?? code.toLowerCase(), error_description: message, ...fields });

/** The envelope of specification section 12.1 with decision D13's twin, for a refusal that is an answer of its own. */
export const errorBody = (error: AppError, now: number, requestId: string): { readonly error: object; readonly error_description: string } => ({
  error: { code: error.code, message: error.message, ...error.fields, ...(error.details === undefined ? {} : { details: error.details }), timestamp: isoTime(now), request_id: requestId },
  error_description: error.message,
});

/**
 * The last handler: under `/oauth2` the form of RFC 6749, elsewhere the envelope of specification section 12.1, with decision
 * D13's twin for deployed clients. Nothing internal leaks.
 */
export function errorHandler(log: Log, clock: Clock): ErrorRequestHandler {
  return (thrown: unknown, req, res, next) => {
    const requestId = res.locals.requestId as string;
    const known = asAppError(thrown);
    const outage = outageOf(thrown)?.kind;
    if (outage === 'away') log.error({ request_id: requestId, operation: res.locals.operation as unknown, error: errorText(thrown) }, 'request failed because the database can not be reached');
    if (outage === 'busy') log.warn({ request_id: requestId, operation: res.locals.operation as unknown, error: errorText(thrown) }, 'request gave up waiting for the database');
    if (known === undefined) {
      log.error({ request_id: requestId, operation: res.locals.operation as unknown, error: errorText(thrown), stack: thrown instanceof Error ? thrown.stack : undefined }, 'request failed');
    }
    if (res.headersSent) return next(thrown);
    const error = known ?? new AppError('INTERNAL_ERROR', 'Something went wrong on our side; the request id tells us where to look');
    if (error.status === 401) res.set('WWW-Authenticate', challenges[error.code] ?? 'Bearer error="invalid_token"');
    if (error.retryAfterMs !== undefined) res.set('Retry-After', String(Math.ceil(error.retryAfterMs / 1000)));
    res.status(error.status).set('Cache-Control', 'no-store');
    if (req.path.startsWith('/oauth2/')) res.json(oauthBody(error));
    else res.type('application/json').send(writeJson(errorBody(error, clock.now(), requestId)));
  };
}
