import type { Database, Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import { RateLimited } from '../jobs/index.ts';
import { isoTime, unixSeconds, type Clock } from '../kernel/clock.ts';
import { AppError, errorText } from '../kernel/errors.ts';
import { newId, type MiniAppId } from '../kernel/ids.ts';
import type { GuardedFetch } from '../security/guarded-fetch.ts';
import { deleteOldSecrets, deleteSettledBefore, findDelivery, insertDelivery, keepOldSecret, listOldSecrets, recordAttempt, reopenDelivery, type Delivery } from './repo.ts';
import { nextAttemptAt, verdictOn } from './schedule.ts';
import { signatureHeaders } from './signing.ts';

/** Where a mini-app's server listens, and the secret that its deliveries are signed with, sealed. */
export interface Endpoint {
  readonly url: string;
  readonly sealedSecret: string;
}

export interface WebhookDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly guardedFetch: Pick<GuardedFetch, 'fetch'>;
  /** Undefined where there is nobody to tell: no address, or an app that is over. `url` stands for the registered address. */
  readonly findEndpoint: (miniappId: MiniAppId, tx?: Transaction, url?: string) => Promise<Endpoint | undefined>;
  readonly unseal: (sealed: string, miniappId: MiniAppId) => string;
  /** Tells the app's developers that deliveries do not arrive, in the transaction that gives one up. */
  readonly tellDevelopers: (tx: Transaction, miniappId: MiniAppId, problem: string) => Promise<void>;
  readonly options: { readonly timeoutMs: number; readonly maxAgeMs: number; readonly retentionMs: number; readonly perEndpoint: number };
}

export interface WebhookEvent {
  readonly miniappId: MiniAppId;
  /** Section 9.1.2: `payment.completed`, `scope.revoked`, … */
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Where it goes instead of the registered address: to an origin that the app has registered, which is the caller's to check. */
  readonly url?: string | undefined;
}

export interface Webhooks {
  /** Tells the mini-app's server, if it has one: the row is part of `tx`. Returns the delivery's id. */
  send(tx: Transaction, event: WebhookEvent): Promise<string | undefined>;
  /** Sends a settled delivery again, with the same id. @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION for one that is pending */
  replay(miniappId: MiniAppId, id: string): Promise<Delivery>;
  /** Deliveries are signed with both until `overlapMs` from now. Part of the transaction that stores the new secret. */
  keepSigningWith(tx: Transaction, miniappId: MiniAppId, sealedSecret: string, overlapMs: number): Promise<void>;
  readonly delivering: JobKind;
  /** A chore: forgets what was settled long ago. True when there is more. */
  readonly tidyUp: (tx: Transaction, now: number) => Promise<boolean>;
}

export const deliveryKind = 'webhook.delivery';
const purgeBatch = 2000;
/** A slow endpoint takes no more of the workers than its share; the rest of its deliveries ask again. */
const busyRetryMs = 1000;

interface AttemptJob {
  readonly deliveryId: string;
  readonly attempt: number;
}

interface Attempted {
  readonly status: number | undefined;
  readonly error: string | undefined;
}

const unknownDelivery = (): AppError => new AppError('NOT_FOUND', 'No such delivery');

/** Deliveries that are under way, by mini-app. */
class Slots {
  readonly #busy = new Map<string, number>();
  readonly #perEndpoint: number;
  constructor(perEndpoint: number) {
    this.#perEndpoint = perEndpoint;
  }
  async use<T>(miniappId: string, work: () => Promise<T>): Promise<T> {
    const busy = this.#busy.get(miniappId) ?? 0;
    if (busy >= this.#perEndpoint) throw new RateLimited(busyRetryMs, 'other deliveries to this endpoint are under way');
    this.#busy.set(miniappId, busy + 1);
    try {
      return await work();
    } finally {
      const left = (this.#busy.get(miniappId) ?? 1) - 1;
      if (left === 0) this.#busy.delete(miniappId);
      else this.#busy.set(miniappId, left);
    }
  }
}

async function attempt(deps: WebhookDependencies, delivery: Delivery, endpoint: Endpoint): Promise<Attempted> {
  const { clock, guardedFetch, unseal, database, options } = deps;
  const now = clock.now();
  const old = await listOldSecrets(database, delivery.miniappId, now);
  const [oldest, ...others] = [...old, endpoint.sealedSecret].map((sealed) => unseal(sealed, delivery.miniappId)) as [string, ...string[]];
  const signed = signatureHeaders({ id: delivery.id, payload: delivery.payload, timestamp: unixSeconds(now) }, [oldest, ...others]);
  try {
    const { status } = await guardedFetch.fetch(endpoint.url, { method: 'POST', headers: { 'content-type': 'application/json', 'user-agent': 'tmcp-server', ...signed }, body: delivery.payload, timeoutMs: options.timeoutMs });
    return { status, error: verdictOn(status) === 'delivered' ? undefined : `answered ${status}` };
  } catch (error) {
    return { status: undefined, error: errorText(error) };
  }
}

function enqueueAttempt({ queue }: WebhookDependencies, tx: Transaction, job: AttemptJob, round: number, runAt: number): void {
  queue.enqueue(tx, { id: `${job.deliveryId}:${round}:${job.attempt}`, stream: `webhook:${job.deliveryId}`, kind: deliveryKind, body: job, runAt });
}

/** Writes what an attempt led to: done, given up, or when the next one follows. */
async function settle(deps: WebhookDependencies, tx: Transaction, delivery: Delivery, attemptNumber: number, { status, error }: Attempted): Promise<void> {
  const now = deps.clock.now();
  const verdict = status === undefined ? 'again' : verdictOn(status);
  const nextAt = verdict === 'again' ? nextAttemptAt({ attempt: attemptNumber, createdAt: delivery.createdAt, now, maxAgeMs: deps.options.maxAgeMs }) : undefined;
  const state = verdict !== 'again' ? verdict : nextAt === undefined ? 'failed' : 'pending';
  if (!(await recordAttempt(tx, delivery.id, attemptNumber, { state, status, error, nextAt, settledAt: nextAt === undefined ? now : undefined }))) return;
  if (nextAt !== undefined) enqueueAttempt(deps, tx, { deliveryId: delivery.id, attempt: attemptNumber + 1 }, delivery.createdAt, nextAt);
  if (state === 'refused' || state === 'failed') await deps.tellDevelopers(tx, delivery.miniappId, `${delivery.event} (${delivery.id}) was ${state === 'refused' ? 'refused by' : 'not taken by'} your webhook after ${attemptNumber} ${attemptNumber === 1 ? 'attempt' : 'attempts'}: ${error ?? ''}`);
}

export function createWebhooks(deps: WebhookDependencies): Webhooks {
  const { database, clock, options } = deps;
  const slots = new Slots(options.perEndpoint);
  return {
    async send(tx, { miniappId, event, data, url }) {
      if ((await deps.findEndpoint(miniappId, tx, url)) === undefined) return undefined;
      const now = clock.now();
      const id = newId('evt');
      await insertDelivery(tx, { id, miniappId, event, url, payload: JSON.stringify({ event, event_id: id, timestamp: isoTime(now), data }), createdAt: now });
      enqueueAttempt(deps, tx, { deliveryId: id, attempt: 1 }, now, now);
      return id;
    },
    replay: (miniappId, id) =>
      database.inTransaction(async (tx) => {
        const now = clock.now();
        const known = await findDelivery(tx, id);
        if (known?.miniappId !== miniappId) throw unknownDelivery();
        if (!(await reopenDelivery(tx, id, now))) throw new AppError('INVALID_STATE_TRANSITION', 'The delivery is still being tried');
        enqueueAttempt(deps, tx, { deliveryId: id, attempt: 1 }, now, now);
        return (await findDelivery(tx, id))!;
      }),
    keepSigningWith: (tx, miniappId, sealedSecret, overlapMs) => keepOldSecret(tx, miniappId, sealedSecret, clock.now() + overlapMs),
    delivering: {
      async run(job) {
        const { deliveryId, attempt: number } = job.body as AttemptJob;
        const delivery = await findDelivery(database, deliveryId);
        if (delivery?.state !== 'pending' || delivery.attempts !== number - 1) return;
        const endpoint = await deps.findEndpoint(delivery.miniappId, undefined, delivery.url);
        const outcome = endpoint === undefined ? { status: undefined, error: 'the mini-app has no webhook any more' } : await slots.use(delivery.miniappId, () => attempt(deps, delivery, endpoint));
        return (tx) => settle(deps, tx, delivery, number, outcome);
      },
    },
    async tidyUp(tx, now) {
      const gone = await deleteSettledBefore(tx, now - options.retentionMs, purgeBatch);
      await deleteOldSecrets(tx, now);
      return gone === purgeBatch;
    },
  };
}
