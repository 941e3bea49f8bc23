import type { Principal, RequestLimits } from '../../http/index.ts';
import { AppError, errorText, type ErrorCode } from '../../kernel/errors.ts';
import type { Log } from '../../kernel/log.ts';
import { moneyCategories, type Caller, type Limits } from './limits.ts';

/** Counted where the user is known, which is in the middle of the request: by whoever issues the tokens. */
const countedLater: ReadonlySet<string> = new Set(['token_generation']);

function callerOf(principal: Principal): Caller {
  switch (principal.kind) {
    case 'session':
      return { userId: principal.userId, clientId: principal.clientId };
    case 'matrix':
      return { userId: principal.userId };
    case 'developer':
      return { userId: principal.userId, clientId: 'developer' };
    case 'admin':
      return { admin: principal.name };
    case 'client':
    case 'platform':
      return { clientId: principal.clientId };
    case 'anonymous':
      return {};
  }
}

/** Failures that say that somebody tried to pay and could not. */
const failures: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['INSUFFICIENT_FUNDS', 'INVALID_SIGNATURE', 'INVALID_MFA_CREDENTIALS']);
const isFailedPayment = (error: unknown): boolean => error instanceof AppError && (failures.has(error.code) || (error.code as string) === 'PAYMENT_FAILED');

/** Guesses at codes, secrets and tokens in a body: they count for their address, like those at the authorization server. */
const guesses: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['invalid_client', 'invalid_grant', 'MATRIX_TOKEN_REFUSED']);

/** The limits as the API router asks for them. */
export function requestLimits(limits: Limits, log: Log): RequestLimits {
  return {
    admit: (category, principal) => (countedLater.has(category) ? limits.peekAddress('refused_grants') : limits.take(category, callerOf(principal))),
    assertMayTry: () => limits.peekAddress('refused_credentials'),
    credentialsRefused: () => limits.takeAddress('refused_credentials'),
    async failed(category, principal, error, asked) {
      // The request has failed for a reason of its own, and that is what is answered.
      const quietly = (counting: Promise<void>): Promise<void> => counting.catch((failure: unknown) => log.error({ error: errorText(failure) }, 'a failure could not be counted'));
      if (moneyCategories.has(category) && isFailedPayment(error)) await quietly(limits.failedPayment(callerOf(principal)));
      // Nobody waits for this one: how long it takes would tell ids that are somebody's from those that are nobody's.
      if (error instanceof AppError && error.neverWas) void quietly(limits.inventedId(callerOf(principal), `${error.code} ${asked}`));
      if (error instanceof AppError && guesses.has(error.code)) await quietly(limits.countAddress('refused_grants'));
    },
  };
}
