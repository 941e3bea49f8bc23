import { isIPv6 } from 'node:net';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { requestContext } from '../../kernel/request-context.ts';
import { createAbuse, type Abuse, type SuspendAfter } from './abuse.ts';
import { exactly, limitHeaders, secondsOf, windowText, type Policy, type Verdict } from './policy.ts';
import type { LimitStore } from './store.ts';
import type { Suspensions } from './suspensions.ts';

/** Whose requests are counted together (decision D15): a user with a client, a client alone, an administrator, an address. */
export interface Caller {
  readonly userId?: string | undefined;
  readonly clientId?: string | undefined;
  readonly admin?: string | undefined;
}

export interface LimitsDependencies {
  readonly store: LimitStore;
  readonly clock: Clock;
  readonly enabled: boolean;
  /** By category; `failed_payments` and `general` must be among them. */
  readonly policies: Readonly<Record<string, Policy>>;
  readonly suspensions: Suspensions;
  readonly suspendAfter: SuspendAfter;
  readonly observe?: (category: string, outcome: 'allowed' | 'refused' | 'suspended') => void;
}

export interface Limits {
  /** @throws AppError RATE_LIMIT_EXCEEDED, ACCOUNT_SUSPENDED */
  take(category: string, caller: Caller): Promise<void>;
  /** As `take`, of the address of the request and, as far as it says which, a client. */
  takeAddress(category: string, clientId?: string): Promise<void>;
  /** @throws AppError RATE_LIMIT_EXCEEDED when the address has none left */
  peekAddress(category: string): Promise<void>;
  /** Puts what the address has left into the headers of the answer. */
  noteAddress(category: string): Promise<void>;
  /** Counts, and refuses nothing. */
  countAddress(category: string): Promise<void>;
  failedPayment(caller: Caller): Promise<void>;
  /** The caller asked for something by an id that nothing here ever had. */
  inventedId(caller: Caller, id: string): Promise<void>;
  /** Counts anew what suspends. */
  forgive: Abuse['forgive'];
  /** Other counts in the same store, such as attempts. */
  readonly store: LimitStore;
}

/** Categories in which money is asked for or moved: these fail after too many failures. */
export const moneyCategories: ReadonlySet<string> = new Set(['payment_initiation', 'payment_authorization', 'p2p_transfers', 'money_changes']);

/** An IPv6 network counts as one. */
export function networkOf(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  if (address.startsWith('::ffff:')) return address.slice('::ffff:'.length);
  return isIPv6(address) ? address.split(':').slice(0, 4).join(':') : address;
}

const addressKey = (clientId?: string): string => `address ${networkOf(requestContext.getStore()?.address)}${clientId === undefined ? '' : ` ${clientId}`}`;

function keyOf({ userId, clientId, admin }: Caller): string {
  if (admin !== undefined) return `admin ${admin}`;
  if (userId !== undefined) return `user ${userId} ${clientId ?? ''}`;
  return clientId === undefined ? addressKey() : `client ${clientId}`;
}

/** The answer of specification section 11.4.4. */
const exceeded = ({ limit, windowMs, resetMs }: Verdict): AppError =>
  new AppError('RATE_LIMIT_EXCEEDED', 'Too many requests', { retryAfterMs: secondsOf(resetMs) * 1000, fields: { retry_after: secondsOf(resetMs), limit, window: windowText(windowMs) } });

/** Limits of section 11.4 by category, and what repeated abuse leads to (section 11.4.5). */
export function createLimits(deps: LimitsDependencies): Limits {
  const { store, clock, policies, suspensions, suspendAfter, observe = () => undefined } = deps;
  const policyOf = (category: string): Policy => policies[category] ?? policies.general!;
  const note = (verdict: Verdict): void => requestContext.getStore()?.answerHeaders?.(limitHeaders(verdict, clock.now()));

  const abuse = createAbuse({ store, suspensions, suspendAfter });

  const refuse = async (category: string, verdict: Verdict, caller: Caller): Promise<never> => {
    observe(category, 'refused');
    await abuse.refused(caller);
    throw exceeded(verdict);
  };

  const takeAs = async (category: string, key: string, caller: Caller): Promise<void> => {
    const verdict = await store.take(category, policyOf(category), key);
    note(verdict);
    if (!verdict.allowed) return refuse(category, verdict, caller);
    observe(category, 'allowed');
    if (category === 'token_generation') await abuse.newToken(caller);
  };

  /** After too many failures the next attempt is told to wait, and one that does not wait that it is locked out ("429 → 403"). */
  const assertNotFailing = async (caller: Caller): Promise<void> => {
    const policy = policies.failed_payments!;
    const verdict = await store.take('failed_payments', policy, keyOf(caller), true);
    if (verdict.allowed) return;
    note(verdict);
    const warned = await store.take('failed_payments_warned', exactly(1, policy.windowMs), keyOf(caller));
    if (warned.allowed) return refuse('failed_payments', verdict, caller);
    observe('failed_payments', 'suspended');
    throw suspensions.refusal({ reason: 'repeated_payment_failures', until: clock.now() + verdict.resetMs });
  };

  return {
    store,
    async take(category, caller) {
      if (!deps.enabled) return;
      const { userId, clientId = '', admin } = caller;
      const suspension = userId === undefined || category === 'appeals' ? undefined : await suspensions.find(userId, clientId);
      if (suspension !== undefined) {
        observe(category, 'suspended');
        throw suspensions.refusal(suspension);
      }
      if (moneyCategories.has(category)) await assertNotFailing(caller);
      await takeAs(admin === undefined ? category : 'administration', keyOf(caller), caller);
    },
    takeAddress: async (category, clientId) => (deps.enabled ? takeAs(category, addressKey(clientId), {}) : undefined),
    async peekAddress(category) {
      if (!deps.enabled) return;
      const verdict = await store.take(category, policyOf(category), addressKey(), true);
      note(verdict);
      if (!verdict.allowed) await refuse(category, verdict, {});
    },
    async noteAddress(category) {
      if (deps.enabled) note(await store.take(category, policyOf(category), addressKey(), true));
    },
    async countAddress(category) {
      if (deps.enabled) await store.take(category, policyOf(category), addressKey());
    },
    async failedPayment(caller) {
      if (!deps.enabled) return;
      await store.take('failed_payments', policies.failed_payments!, keyOf(caller));
      await abuse.paymentFailed(caller);
    },
    inventedId: async (caller, id) => (deps.enabled ? abuse.inventedId(caller, id) : undefined),
    forgive: (whom) => abuse.forgive(whom),
  };
}
