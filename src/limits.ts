import type { Config } from './config/index.ts';
import type { Database, Transaction } from './database/index.ts';
import type { Contract, Operation } from './http/index.ts';
import { exempt, otherwise, PathTable } from './http/index.ts';
import type { Clock } from './kernel/clock.ts';
import { errorText } from './kernel/errors.ts';
import { asUserId } from './kernel/ids.ts';
import type { Log } from './kernel/log.ts';
import type { RoomEvents } from './matrix/port.ts';
import type { Admission, LimitStore as AttemptStore } from './oauth/index.ts';
import type { Audit } from './security/audit/index.ts';
import type { Metrics } from './operations/index.ts';
import { connectRedis, createLimits, createSharedStore, createSuspensions, readPolicy, requestLimits, suspensionReasons, suspensionRoutes, type Limits, type Policy } from './security/limits/index.ts';

// The limits on requests, put together.

export interface LimitsParts {
  readonly config: Config;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: RoomEvents;
  readonly audit: Pick<Audit, 'record'>;
  readonly contract: Contract;
  readonly metrics: () => Pick<Metrics, 'countLimited' | 'countSuspension'>;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** Keys of the section that are limits are those that are spelt as one. */
export function policiesOf(section: Config['rate_limits']): Record<string, Policy> {
  const { algorithm } = section;
  const rows = Object.entries(section).filter((entry): entry is [string, string] => typeof entry[1] === 'string' && /^\d+\/\d+[smhd]/.test(entry[1]));
  return {
    ...Object.fromEntries(rows.map(([category, text]) => [category, readPolicy(text, algorithm)])),
    refused_credentials: readPolicy(section.tep_validation, algorithm),
    refused_grants: { algorithm: 'sliding_window', limit: section.oauth_failures_per_minute, windowMs: minuteMs, burst: 0 },
  };
}

/** What the authorization server calls its refused grants, which the developers' endpoints count too. */
const failuresName = 'failures';

/** Attempts at passwords, codes and secrets: counted in exact windows, wherever requests are counted. */
const attemptsIn =
  (limits: Limits, policies: Record<string, Policy>): AttemptStore =>
  async (name, { attempts, seconds }, key, peek) => {
    // The answer's headers say what is left of these, until it is known who asks.
    if (name === failuresName && peek) await limits.noteAddress('refused_grants');
    const policy: Policy = name === failuresName ? policies.refused_grants! : { algorithm: 'sliding_window', limit: attempts, windowMs: seconds * 1000, burst: 0 };
    const { allowed, resetMs } = await limits.store.take(name === failuresName ? 'refused_grants' : `attempts_${name}`, policy, name === failuresName ? `address ${key}` : key, peek);
    return { allowed, waitMs: resetMs };
  };

/** Requests to the authorization server, by what the document says of their paths. */
function admissionOf(limits: Limits, { operations }: Contract): Admission {
  const served = new PathTable<Operation>();
  for (const operation of operations) if (operation.servedBy === 'oauth') served.add(operation.method, operation.path, operation);
  return {
    async request(method, path, clientId) {
      const category = served.find(method, path)?.value.rateLimit ?? otherwise;
      // Tokens are counted when it is known whose they are.
      if (category !== exempt && category !== 'token_generation') await limits.takeAddress(category, clientId);
    },
    tokens: (kind, userId, clientId) => limits.take(kind, { userId, clientId }),
  };
}

/** Opens nothing but, where Redis is configured, the connection to it. */
export function buildLimits({ config, database, clock, log, events, audit, contract, metrics }: LimitsParts) {
  const { rate_limits: section, redis, server, homeserver } = config;
  const policies = policiesOf(section);
  const redisUrl = redis.url;
  const store = createSharedStore({ clock, log, connect: section.enabled && redisUrl !== undefined ? () => connectRedis(redisUrl) : undefined, prefix: `tmcp:limit:${homeserver.domain}` });
  const tell = (tx: Transaction, userId: string, body: string): void => void events.emit(tx, { place: { noticesOf: asUserId(userId) }, speaker: 'bot', type: 'm.room.message', content: { msgtype: 'm.notice', body } });
  // The count is not the verdict's: it is forgotten where it can be.
  const onLifted = (whom: { readonly userId: string; readonly clientId: string }): Promise<void> => limits.forgive(whom).catch((error: unknown) => log.error({ error: errorText(error) }, 'what was counted of a user could not be forgotten'));
  const suspensions = createSuspensions({ database, clock, audit: audit.record, lifetimeMs: section.suspension_seconds * 1000, appealMs: section.appeal_days * dayMs, appealUrl: section.appeal_url ?? `${server.public_url}/api/v1/appeals`, tell, onSuspended: (reason) => metrics().countSuspension(reason), onLifted });
  const limits = createLimits({
    store,
    clock,
    enabled: section.enabled,
    policies,
    suspensions,
    suspendAfter: {
      violations: section.suspend_after_violations,
      failedPayments: section.suspend_after_failed_payments,
      inventedIds: section.suspend_after_invented_ids,
      newTokens: section.suspend_after_new_tokens,
      refusedHours: section.suspend_after_refused_hours,
    },
    observe: (category, outcome) => metrics().countLimited(category, outcome),
  });
  return {
    requests: requestLimits(limits, log),
    admission: admissionOf(limits, contract),
    attempts: attemptsIn(limits, policies),
    routes: suspensionRoutes({ suspensions }),
    tidyUp: (tx: Transaction, now: number) => suspensions.tidyUp(tx, now),
    /** Once it is known whether Redis answers. */
    ready: () => store.ready(),
    close: () => store.close(),
    suspensionReasons: Object.keys(suspensionReasons),
    state: () => ({ redis: redisUrl === undefined ? undefined : store.isShared(), localKeys: store.localSize() }),
  };
}

export type BuiltLimits = ReturnType<typeof buildLimits>;
