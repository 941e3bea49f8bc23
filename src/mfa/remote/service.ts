import type { Clock } from '../../kernel/clock.ts';
import { newId, type UserId } from '../../kernel/ids.ts';
import { factorRefusalFromWire, type WireRefusal, type WireVerdict } from './wire.ts';

export interface FactorRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  /** `Idempotency-Key`: repeated with it, the request has no other effect, and the same answer. */
  readonly key?: string;
}

/** What the service answered, or what it said no with. Repeats a lost request itself. Throws SERVICE_UNAVAILABLE, and for an answer that is none. */
export type AskFactors = (request: FactorRequest) => Promise<{ readonly body: unknown } | { readonly refusal: WireRefusal }>;

/** A method that an attempt has locked. */
export interface Lock {
  readonly method: string;
  readonly lockedUntil: string;
}

/** `/internal/mfa` of a wallet service. All of it throws SERVICE_UNAVAILABLE, and AppError with what the service says no with. */
export class FactorService {
  readonly #ask: AskFactors;
  readonly #clock: Clock;
  readonly #onLocked: (userId: UserId, lock: Lock) => Promise<void>;

  constructor(ask: AskFactors, clock: Clock, onLocked: (userId: UserId, lock: Lock) => Promise<void>) {
    this.#ask = ask;
    this.#clock = clock;
    this.#onLocked = onLocked;
  }

  get<Answer>(userId: UserId, rest = ''): Promise<Answer> {
    return this.#call({ method: 'GET', path: pathOf(userId, rest) });
  }

  /** For what harms nobody when it is done twice. */
  post<Answer>(userId: UserId, rest: string, body: object): Promise<Answer> {
    return this.#call({ method: 'POST', path: pathOf(userId, rest), body });
  }

  /** For what counts: an attempt, a change. A lost answer is asked for again under the same key; by the caller too, if it gives one. */
  async once<Answer>(userId: UserId, rest: string, body: object, key = newId('att')): Promise<Answer> {
    const answer = await this.#ask({ method: 'POST', path: pathOf(userId, rest), body, key });
    const lock = lockIn('body' in answer ? (answer.body as WireVerdict).refusal : answer.refusal);
    if (lock !== undefined) await this.#onLocked(userId, lock);
    return this.#read(answer);
  }

  async #call<Answer>(request: FactorRequest): Promise<Answer> {
    return this.#read(await this.#ask(request));
  }

  #read<Answer>(answer: Awaited<ReturnType<AskFactors>>): Answer {
    if ('body' in answer) return answer.body as Answer;
    throw this.refusal(answer.refusal);
  }

  /** As our own factors would say it. */
  refusal(wire: WireRefusal): Error {
    return factorRefusalFromWire(wire, this.#clock.now()) ?? new Error(`the wallet service refuses with ${wire.code}, which is none of its codes`);
  }
}

/** That of the attempt which made it: later ones are told MFA_LOCKED. */
function lockIn(refusal: WireRefusal | undefined): Lock | undefined {
  const { method, locked_until: lockedUntil } = (refusal?.details ?? {}) as { method?: string; locked_until?: string };
  return refusal === undefined || refusal.code === 'MFA_LOCKED' || lockedUntil === undefined ? undefined : { method: method ?? '', lockedUntil };
}

const pathOf = (userId: UserId, rest: string): string => `/internal/mfa/${encodeURIComponent(userId)}${rest}`;
