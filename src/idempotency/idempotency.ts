import type { Database, Transaction } from '../database/index.ts';
import { JsonText, type ApiAnswer } from '../http/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { sha256Hex } from '../kernel/ids.ts';
import { canonicalJson } from '../kernel/json.ts';
import { claimKey, findAnswer, forgetAnswer, insertAnswer, purgeAnswers, replaceAnswer, type KeptAnswer, type KeyScope } from './repo.ts';

export interface KeyedRequest extends KeyScope {
  /** What is asked for. Credentials in it (`auth_proof`) are no part of what must be the same. */
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * For work whose outcome another service has: waits for it after the commit. What it returns is answered, and kept in place of what
 * `work` returned; what it throws was refused in the end, so that the key can be used again. Whoever repeats the request meanwhile, or
 * after a crash at this point, gets what `work` returned.
 */
export type Later = () => Promise<ApiAnswer>;

export interface Steps<Prepared> {
  /** What must be asked outside the database first. A refusal here is not kept: the key can be used again. */
  prepare(): Promise<Prepared>;
  /** Does it, and says what to answer. What it returns is kept whatever its status; what it throws undoes everything and is not kept. */
  work(tx: Transaction, prepared: Prepared): Promise<ApiAnswer & { readonly later?: Later }>;
}

/** Requests that have their effect once, however often they are sent (specification section 11.3, decision D8). */
export interface Idempotency {
  /**
   * The answer is committed in the transaction of the change, so that a crash leaves both or neither. The same request again gets
   * the same bytes with `Idempotency-Replayed: true`.
   * @throws AppError DUPLICATE_TRANSACTION for another body under the same key, REQUEST_IN_PROGRESS while the first one runs
   */
  run<Prepared>(request: KeyedRequest, steps: Steps<Prepared>): Promise<ApiAnswer>;
  /** A chore: forgets old answers. True when there are more. */
  purge(tx: Transaction, now: number): Promise<boolean>;
}

export interface IdempotencyDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly keepMs: number;
}

const credentials = new Set(['auth_proof', 'idempotency_key']);
const purgeBatch = 5000;
const retryAfterMs = 1000;

const inProgress = (): AppError => new AppError('REQUEST_IN_PROGRESS', 'The first request with this idempotency key is still running', { retryAfterMs });

const hashOf = (body: KeyedRequest['body']): string => sha256Hex(canonicalJson(Object.fromEntries(Object.entries(body).filter(([name]) => !credentials.has(name)))));

function replay(kept: KeptAnswer, requestHash: string): ApiAnswer {
  if (kept.requestHash !== requestHash) throw new AppError('DUPLICATE_TRANSACTION', 'This idempotency key was used for another request', { details: [{ field: 'idempotency_key', problem: 'was used with another body' }] });
  return { status: kept.status, body: new JsonText(kept.body), headers: { 'Idempotency-Replayed': 'true' } };
}

export function createIdempotency({ database, clock, keepMs }: IdempotencyDependencies): Idempotency {
  const running = new Set<string>();

  async function execute<Prepared>(request: KeyedRequest, requestHash: string, name: string, steps: Steps<Prepared>): Promise<ApiAnswer> {
    const known = await findAnswer(database, request);
    if (known !== undefined) return replay(known, requestHash);
    const prepared = await steps.prepare();
    const { first, later } = await database.inTransaction(async (tx): Promise<{ first: ApiAnswer; later?: Later | undefined }> => {
      if (!(await claimKey(tx, name))) throw inProgress();
      const meanwhile = await findAnswer(tx, request);
      if (meanwhile !== undefined) return { first: replay(meanwhile, requestHash) };
      const { later, ...answer } = await steps.work(tx, prepared);
      const body = JSON.stringify(answer.body);
      if (!(await insertAnswer(tx, request, { requestHash, status: answer.status, body }, clock.now()))) throw inProgress();
      return { first: { ...answer, body: new JsonText(body) }, later };
    });
    return later === undefined ? first : await finish(request, later);
  }

  async function finish(request: KeyedRequest, later: Later): Promise<ApiAnswer> {
    try {
      const answer = await later();
      const body = JSON.stringify(answer.body);
      await database.inTransaction((tx) => replaceAnswer(tx, request, { status: answer.status, body }));
      return { ...answer, body: new JsonText(body) };
    } catch (error) {
      if (error instanceof AppError) await database.inTransaction((tx) => forgetAnswer(tx, request));
      throw error;
    }
  }

  return {
    async run(request, steps) {
      const requestHash = hashOf(request.body);
      const name = JSON.stringify([request.userId, request.clientId, request.operation, request.key]);
      if (running.has(name)) throw inProgress();
      running.add(name);
      try {
        return await execute(request, requestHash, name, steps);
      } finally {
        running.delete(name);
      }
    },
    purge: async (tx, now) => (await purgeAnswers(tx, now - keepMs, purgeBatch)) === purgeBatch,
  };
}
