import { exactly } from './policy.ts';
import type { SuspensionReason } from './reasons.ts';
import type { LimitStore } from './store.ts';
import type { Suspensions } from './suspensions.ts';

/** Of one user through one client: how many of each suspend the two together (specification section 11.4.5). 0 or nothing: never. */
export interface SuspendAfter {
  /** Refused requests in an hour. */
  readonly violations?: number;
  /** Failed payments in a day. */
  readonly failedPayments?: number;
  /** Ids in an hour that this server never gave to anybody: who asks for many guesses. */
  readonly inventedIds?: number;
  /** Tokens in an hour that came of new sessions: programs renew the one that they have. */
  readonly newTokens?: number;
  /** Hours of a day in which requests were refused: people sleep, and programs that were told to wait should have. */
  readonly refusedHours?: number;
}

interface Whom {
  readonly userId?: string | undefined;
  readonly clientId?: string | undefined;
}

/** What counts towards a suspension of the user and client together, so that an app can't get its user suspended elsewhere. Nothing counts where there is no user. */
export interface Abuse {
  /** A request was refused by a limit. */
  refused(whom: Whom): Promise<void>;
  paymentFailed(whom: Whom): Promise<void>;
  /** However often it asks for the same one, it counts once an hour. */
  inventedId(whom: Whom, id: string): Promise<void>;
  newToken(whom: Whom): Promise<void>;
  /** Begins to count anew: an administrator has seen that it was none. */
  forgive(whom: Whom): Promise<void>;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

interface Pattern {
  readonly limit: number;
  readonly windowMs: number;
  readonly reason: SuspensionReason;
}

const patternsOf = ({ violations = 0, failedPayments = 0, inventedIds = 0, newTokens = 0, refusedHours = 0 }: SuspendAfter) => ({
  violations: { limit: violations, windowMs: hourMs, reason: 'repeated_rate_limit_violations' },
  failed_payments_a_day: { limit: failedPayments, windowMs: dayMs, reason: 'repeated_payment_failures' },
  invented_ids: { limit: inventedIds, windowMs: hourMs, reason: 'suspected_automation_invented_ids' },
  new_tokens: { limit: newTokens, windowMs: hourMs, reason: 'suspected_automation_new_tokens' },
  refused_hours: { limit: refusedHours, windowMs: dayMs, reason: 'suspected_automation_refused_hours' },
}) satisfies Record<string, Pattern>;

const keyOf = ({ userId, clientId = '' }: Whom): string => `user ${userId} ${clientId}`;

export function createAbuse({ store, suspensions, suspendAfter: after }: { readonly store: LimitStore; readonly suspensions: Pick<Suspensions, 'suspend'>; readonly suspendAfter: SuspendAfter }): Abuse {
  const patterns = patternsOf(after);
  const count = async (name: keyof typeof patterns, whom: Whom): Promise<void> => {
    const { limit, windowMs, reason } = patterns[name];
    const { userId, clientId = '' } = whom;
    if (userId === undefined || limit === 0) return;
    const { allowed, remaining } = await store.take(name, exactly(limit, windowMs), keyOf(whom));
    if (!allowed || remaining === 0) await suspensions.suspend({ userId, clientId, reason });
  };
  /** Whether this is the first of its kind within an hour. */
  const isFirst = async (name: string, key: string): Promise<boolean> => (await store.take(name, exactly(1, hourMs), key)).allowed;

  return {
    async refused(whom) {
      if (patterns.refused_hours.limit > 0 && whom.userId !== undefined && (await isFirst('refused_hour', keyOf(whom)))) await count('refused_hours', whom);
      await count('violations', whom);
    },
    paymentFailed: (whom) => count('failed_payments_a_day', whom),
    async inventedId(whom, id) {
      if (patterns.invented_ids.limit > 0 && whom.userId !== undefined && (await isFirst('invented_id', `${keyOf(whom)} ${id}`))) await count('invented_ids', whom);
    },
    newToken: (whom) => count('new_tokens', whom),
    async forgive(whom) {
      for (const [name, { limit, windowMs }] of Object.entries(patterns)) if (limit > 0) await store.forget(name, exactly(limit, windowMs), keyOf(whom));
    },
  };
}
