/**
 * Every error code a caller can meet outside oidc-provider's endpoints, with its HTTP status: specification section 12.2, then
 * decision D13's own. One table, so that a code can never be answered with two statuses. Words that only section 4.4 has
 * (developers) are spelt as there; the rest of the lower-case ones are those of RFC 6749 for `/oauth2`.
 */
export const errorStatus = {
  INVALID_TOKEN: 401,
  INSUFFICIENT_PERMISSIONS: 403,
  CONSENT_REQUIRED: 403,
  INVALID_SCOPE: 400,
  MINIAPP_NOT_FOUND: 404,
  APP_NOT_FOUND: 404,
  APP_NOT_REMOVABLE: 403,
  USER_SUSPENDED: 403,
  RATE_LIMIT_EXCEEDED: 429,
  ACCOUNT_SUSPENDED: 403,
  APPEAL_NOT_FOUND: 404,
  INVALID_REQUEST: 400,
  UNSUPPORTED_PROTOCOL_VERSION: 400,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  UNSUPPORTED_MEDIA_TYPE: 415,
  PAYLOAD_TOO_LARGE: 413,
  RANGE_NOT_SATISFIABLE: 416,
  HEADERS_TOO_LARGE: 431,
  REQUEST_TIMEOUT: 408,
  INVALID_STATE_TRANSITION: 409,
  ALREADY_EXISTS: 409,
  DUPLICATE_TRANSACTION: 409,
  PRECONDITION_FAILED: 412,
  STORAGE_QUOTA_EXCEEDED: 413,
  RESYNC_REQUIRED: 410,
  BATCH_ABORTED: 409,
  ROOM_NOT_ALLOWED: 403,
  ENCRYPTED_ROOM: 409,
  LAST_ADMIN: 409,
  INVITATION_EXPIRED: 410,
  INVALID_AMOUNT: 400,
  INSUFFICIENT_FUNDS: 402,
  MFA_REQUIRED: 402,
  DEVICE_NOT_REGISTERED: 400,
  REQUEST_IN_PROGRESS: 409,
  P2P_SEND_NOT_ALLOWED: 403,
  AMOUNT_EXCEEDS_LIMIT: 400,
  DAILY_LIMIT_EXCEEDED: 429,
  MONTHLY_LIMIT_EXCEEDED: 429,
  PAYMENT_NOT_FOUND: 404,
  PAYMENT_EXPIRED: 400,
  PAYMENT_FAILED: 400,
  TRANSFER_NOT_FOUND: 404,
  TRANSFER_EXPIRED: 400,
  RECIPIENT_ACCEPTANCE_REQUIRED: 400,
  GIFT_NOT_FOUND: 404,
  GIFT_EXPIRED: 400,
  GIFT_EMPTY: 409,
  ALREADY_OPENED: 409,
  VERIFICATION_FAILED: 400,
  MFA_LOCKED: 429,
  INVALID_MFA_CREDENTIALS: 401,
  INVALID_SIGNATURE: 401,
  MFA_CHALLENGE_EXPIRED: 400,
  FRESH_SIGN_IN_REQUIRED: 403,
  invalid_developer_token: 401,
  developer_not_whitelisted: 403,
  forbidden_platform_endpoint: 403,
  invalid_client: 401,
  invalid_grant: 400,
  unsupported_grant_type: 400,
  MATRIX_TOKEN_REFUSED: 401,
  SERVICE_UNAVAILABLE: 503,
  INTERNAL_ERROR: 500,
} as const;

export type ErrorCode = keyof typeof errorStatus;

export interface FieldProblem {
  readonly field: string;
  readonly problem: string;
}

interface AppErrorOptions {
  /** Goes to the caller: never anything internal. */
  readonly details?: Readonly<Record<string, unknown>> | readonly FieldProblem[];
  readonly retryAfterMs?: number;
  /** Members of the error itself, where the specification has them there. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Never told: what was asked for by its id has never been. For everybody the answer is as for what is somebody else's. */
  readonly neverWas?: boolean;
  readonly cause?: unknown;
}

/** A failure that the caller caused or must know about. Anything else that is thrown is answered as INTERNAL_ERROR. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: AppErrorOptions['details'];
  readonly retryAfterMs: number | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly neverWas: boolean;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
    this.fields = options.fields ?? {};
    this.neverWas = options.neverWas ?? false;
  }

  get status(): number {
    return errorStatus[this.code];
  }
}

/** A 400 that names the field (decision D13). */
export const invalidField = (field: string, problem: string): AppError =>
  new AppError('INVALID_REQUEST', `${field}: ${problem}`, { details: [{ field, problem }] });

/** The text of anything that was thrown, for logs and parked jobs; one line, bounded. */
export function errorText(thrown: unknown): string {
  const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return text.replace(/\s+/g, ' ').slice(0, 500);
}
