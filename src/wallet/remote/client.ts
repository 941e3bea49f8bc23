import type { Clock } from '../../kernel/clock.ts';
import { AppError, errorText } from '../../kernel/errors.ts';
import type { UserId } from '../../kernel/ids.ts';
import type { Log } from '../../kernel/log.ts';
import { amountText, type Currency, type Money } from '../../kernel/money.ts';
import { boundedRequest, NoAnswer, type HttpAnswer, type HttpConnections } from '../../security/http-request.ts';
import type { HistoryPage } from '../history.ts';
import { CallBreaker, ServiceFailed, unavailable, type BreakerOptions, type BreakerReport, type BreakerState } from './breaker.ts';
import type { WireAccount, WireEligibility, WireInstruction, WireMovement, WirePolicy, WireStanding, WireTransaction, WireVerification } from './wire.ts';

/** Kinds of calls, each with a circuit breaker of its own (specification section 7.7.4). */
export const callKinds = ['wallet_payments', 'wallet_balance', 'wallet_accounts', 'wallet_mfa'] as const;
export type CallKind = (typeof callKinds)[number];
export type CallOutcome = 'answered' | 'refused' | 'failed' | 'not_let_through';

export interface WalletServiceOptions {
  /** Without a slash at its end. */
  readonly url: string;
  readonly apiKey: string;
  /** Of one attempt. */
  readonly timeoutMs: number;
  readonly breaker: BreakerOptions;
}

export interface ClientDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly connections: HttpConnections;
  readonly options: WalletServiceOptions;
  /** For the metrics. */
  readonly onCall: (kind: CallKind, outcome: CallOutcome) => void;
}

/** The service answered what `schema/wallet-service.yaml` does not allow for, or refuses the request itself: people have to look. */
export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer';
}

interface Call {
  readonly kind: CallKind;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: object;
  /** `Idempotency-Key` */
  readonly key?: string;
}

/** `error` of an answer that is none. */
export interface WireProblem {
  readonly code: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>> | readonly { readonly field: string; readonly problem: string }[];
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const maxBytes = 1024 * 1024;
const attempts = 2;
const retryMs = 5000;

const userPath = (userId: UserId, rest = ''): string => `/internal/user/${encodeURIComponent(userId)}${rest}`;
const moneyQuery = ({ amountMinor, currency }: Money): string => `?${new URLSearchParams({ amount: amountText(amountMinor, currency), currency }).toString()}`;

function readBody({ body }: HttpAnswer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Calls to the Wallet Service (`schema/wallet-service.yaml`). All of them can be repeated without harm, so that a lost answer is
 * asked for once more at once. Each throws AppError SERVICE_UNAVAILABLE while the service is away, and UnexpectedAnswer.
 */
export class WalletServiceClient {
  readonly #deps: ClientDependencies;
  readonly #breakers: Readonly<Record<CallKind, CallBreaker>>;

  constructor(deps: ClientDependencies) {
    this.#deps = deps;
    const breakerOf = (kind: CallKind): CallBreaker => new CallBreaker(deps.clock, deps.options.breaker, (state: BreakerState) => deps.log.warn({ breaker: kind, state }, 'circuit breaker of the wallet service changed'));
    this.#breakers = { wallet_payments: breakerOf('wallet_payments'), wallet_balance: breakerOf('wallet_balance'), wallet_accounts: breakerOf('wallet_accounts'), wallet_mfa: breakerOf('wallet_mfa') };
  }

  reports(): Readonly<Record<CallKind, BreakerReport>> {
    const { wallet_payments, wallet_balance, wallet_accounts, wallet_mfa } = this.#breakers;
    return { wallet_payments: wallet_payments.report(), wallet_balance: wallet_balance.report(), wallet_accounts: wallet_accounts.report(), wallet_mfa: wallet_mfa.report() };
  }

  /** Before money is promised. @throws AppError SERVICE_UNAVAILABLE while no movement would be let through */
  requireReachable(): void {
    this.#breakers.wallet_payments.requireClosed();
  }

  account(userId: UserId): Promise<WireAccount | undefined> {
    return this.#find({ kind: 'wallet_accounts', method: 'GET', path: userPath(userId) });
  }

  async accounts(userIds: readonly UserId[]): Promise<readonly WireAccount[]> {
    return (await this.#ask<{ accounts: readonly WireAccount[] }>({ kind: 'wallet_accounts', method: 'POST', path: '/internal/users/query', body: { user_ids: userIds } })).accounts;
  }

  ensureAccount(userId: UserId, body: { readonly wallet_id: string; readonly currency: Currency; readonly daily_limit_minor?: number }): Promise<WireAccount> {
    return this.#ask({ kind: 'wallet_accounts', method: 'PUT', path: userPath(userId), body });
  }

  activate(userId: UserId, body: { readonly wallet_id: string; readonly currency: Currency; readonly terms_version?: string }): Promise<WireAccount> {
    return this.#ask({ kind: 'wallet_accounts', method: 'POST', path: userPath(userId, '/activate'), body });
  }

  policy(userId: UserId, money: Money): Promise<WirePolicy> {
    return this.#ask({ kind: 'wallet_accounts', method: 'GET', path: userPath(userId, `/auth-policy${moneyQuery(money)}`) });
  }

  eligibility(userId: UserId, money: Money): Promise<WireEligibility> {
    return this.#ask({ kind: 'wallet_accounts', method: 'GET', path: userPath(userId, `/eligibility${moneyQuery(money)}`) });
  }

  verification(userId: UserId): Promise<WireVerification | undefined> {
    return this.#find({ kind: 'wallet_balance', method: 'GET', path: userPath(userId, '/verification') });
  }

  balance(userId: UserId): Promise<WireStanding | undefined> {
    return this.#find({ kind: 'wallet_balance', method: 'GET', path: userPath(userId, '/balance') });
  }

  transactions(userId: UserId, { limit, offset }: HistoryPage): Promise<{ readonly transactions: readonly WireTransaction[]; readonly total: number }> {
    return this.#ask({ kind: 'wallet_balance', method: 'GET', path: userPath(userId, `/transactions?limit=${limit}&offset=${offset}`) });
  }

  transaction(userId: UserId, txnId: string): Promise<WireTransaction | undefined> {
    return this.#find({ kind: 'wallet_balance', method: 'GET', path: userPath(userId, `/transactions/${encodeURIComponent(txnId)}`) });
  }

  /** Has it carried out, or hears what became of it. */
  putMovement(key: string, instruction: WireInstruction): Promise<WireMovement> {
    return this.#ask({ kind: 'wallet_payments', method: 'PUT', path: `/internal/movements/${encodeURIComponent(key)}`, body: instruction });
  }

  /** Second factors, under `/internal/mfa`: what the service answers, or says no with. `key` names what must have its effect once. */
  async factors(request: { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: object; readonly key?: string }): Promise<{ readonly body: object } | { readonly refusal: WireProblem }> {
    const { status, body } = await this.#call({ kind: 'wallet_mfa', ...request });
    const problem = (body as { error?: WireProblem } | undefined)?.error;
    if (status === 422 && problem !== undefined) return { refusal: problem };
    // The first request with this key still runs, in another process of the service.
    if (status === 409 && problem?.code === 'REQUEST_IN_PROGRESS') throw unavailable(this.#breakers.wallet_mfa.state, retryMs);
    if (status !== 200 || typeof body !== 'object' || body === null) throw new UnexpectedAnswer(`the wallet service answered ${request.method} ${request.path.split('?')[0]!} with ${status}`);
    return { body };
  }

  async #ask<T>(call: Call): Promise<T> {
    const { status, body } = await this.#call(call);
    if (status !== 200 || typeof body !== 'object' || body === null) throw new UnexpectedAnswer(`the wallet service answered ${call.method} ${call.path.split('?')[0]!} with ${status}`);
    return body as T;
  }

  async #find<T>(call: Call): Promise<T | undefined> {
    const answer = await this.#call(call);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new UnexpectedAnswer(`the wallet service answered ${call.method} ${call.path.split('?')[0]!} with ${answer.status}`);
    return answer.body as T;
  }

  async #call(call: Call): Promise<Answer> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.#attempt(call);
      } catch (error) {
        if (!(error instanceof ServiceFailed)) throw error;
        this.#deps.log.warn({ breaker: call.kind, error: errorText(error), attempt: tried }, 'the wallet service failed');
        if (tried === attempts) throw unavailable(this.#breakers[call.kind].state, retryMs);
      }
    }
  }

  async #attempt(call: Call): Promise<Answer> {
    const { log, onCall } = this.#deps;
    try {
      const answer = await this.#breakers[call.kind].run(() => this.#send(call));
      onCall(call.kind, answer.status < 400 ? 'answered' : 'refused');
      if (answer.status !== 401 && answer.status !== 403 && answer.status !== 429) return answer;
      log.error({ breaker: call.kind, status: answer.status }, 'the wallet service does not let us in: see wallet.remote.api_key');
      throw unavailable(this.#breakers[call.kind].state, retryMs);
    } catch (error) {
      if (error instanceof ServiceFailed) onCall(call.kind, 'failed');
      else if (error instanceof AppError && this.#breakers[call.kind].state !== 'CLOSED') onCall(call.kind, 'not_let_through');
      throw error;
    }
  }

  async #send({ method, path, body, key }: Call): Promise<Answer> {
    const { connections, options } = this.#deps;
    try {
      const answer = await boundedRequest(connections, new URL(`${options.url}${path}`), {
        method,
        headers: { authorization: `Bearer ${options.apiKey}`, accept: 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        timeoutMs: options.timeoutMs,
        maxBytes,
      });
      if (answer.status >= 500) throw new ServiceFailed(`${method} ${path.split('?')[0]!}: ${answer.status}`);
      return { status: answer.status, body: readBody(answer) };
    } catch (error) {
      if (error instanceof NoAnswer) throw new ServiceFailed(error.message);
      throw error;
    }
  }
}
