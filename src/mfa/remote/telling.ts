import type { Database, Transaction } from '../../database/index.ts';
import { Unavailable, type JobKind, type JobQueue } from '../../jobs/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError, errorText } from '../../kernel/errors.ts';
import { asUserId, type UserId } from '../../kernel/ids.ts';
import type { Log } from '../../kernel/log.ts';
import type { AnnounceChange } from '../change-log.ts';
import type { FactorService } from './service.ts';
import { insertTold, purgeTold } from './told-repo.ts';
import { factorChangeFromWire, type WireFactorChange } from './wire.ts';

/** Tells users, and the audit log, what a wallet service changed of their factors: each change once. */
export interface Telling {
  /**
   * Around a request that may change something. Before it, a job is committed that will look what came of it: the user hears of a
   * change also if this process dies of the answer. After it, the user is told at once.
   */
  around<Result>(userId: UserId, change: () => Promise<Result>): Promise<Result>;
  readonly job: JobKind;
  /** A chore. */
  readonly tidyUp: (tx: Transaction, now: number) => Promise<void>;
}

export const tellingJobKind = 'mfa.tell_changes';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** Of what is older nobody is told: a service that had users before this server. */
const newsMs = 7 * dayMs;

export interface TellingDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly announce: AnnounceChange;
  readonly service: FactorService;
}

export function createTelling({ database, clock, log, queue, announce, service }: TellingDependencies): Telling {
  /** One job for a user and a minute, however many are wanted. */
  const lookLater = (tx: Transaction, userId: UserId, at: number): void => {
    const minute = Math.ceil(at / minuteMs);
    const id = `${tellingJobKind}:${userId}:${minute}`;
    queue.enqueue(tx, { id, stream: id, kind: tellingJobKind, body: { user_id: userId }, runAt: minute * minuteMs });
  };

  /** What is to be written of the service's newest changes. */
  const news = async (userId: UserId): Promise<(tx: Transaction) => Promise<void>> => {
    const { changes } = await service.get<{ changes: readonly WireFactorChange[] }>(userId, '/changes');
    return async (tx) => {
      const now = clock.now();
      for (const wire of changes) {
        const change = factorChangeFromWire(userId, wire);
        if (change.changedAt < now - newsMs || !(await insertTold(tx, wire.id, userId, now))) continue;
        await announce(tx, change);
        // It takes effect at the service, which tells nobody by itself.
        if (change.change === 'reset_requested') lookLater(tx, userId, change.effectiveAt ?? now);
      }
    };
  };

  return {
    async around(userId, change) {
      await database.inTransaction((tx) => Promise.resolve(lookLater(tx, userId, clock.now() + minuteMs)));
      const result = await change();
      try {
        await database.inTransaction(await news(userId));
      } catch (error) {
        log.warn({ error: errorText(error) }, 'a user is told later of a change of factors');
      }
      return result;
    },
    job: {
      run: ({ body }) =>
        news(asUserId((body as { user_id: string }).user_id)).catch((error: unknown) => {
          throw error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE' ? new Unavailable(error.message) : error;
        }),
    },
    tidyUp: (tx, now) => purgeTold(tx, now - 2 * newsMs),
  };
}
