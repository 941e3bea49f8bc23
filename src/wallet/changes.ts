import type { Queryable, Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { asUserId, type MiniAppId, type UserId } from '../kernel/ids.ts';
import { amountNumber, asCurrency, type Currency, type Money } from '../kernel/money.ts';
import { availableIn } from './ledger/ledger.ts';
import { findAccount } from './ledger/repo.ts';
import { statusOf, type UserStatus } from './port.ts';
import { findWallet } from './repo.ts';

export const changeKind = 'wallet.updated';
/** What a mini-app must have been granted to hear of it (decision D14). */
export const balanceScope = 'wallet:balance';

/** One change of one wallet in one currency: all that its transaction did to it, together. */
interface WalletChange {
  readonly userId: string;
  readonly walletId: string;
  readonly currency: string;
  readonly oldMinor: number;
  readonly newMinor: number;
  readonly status: UserStatus;
  readonly at: number;
}

/** Which mini-apps hear of whose wallet (section 9.1.2). */
export interface WalletChanges {
  /** What a user can spend becomes more or less by this much. */
  balance(tx: Transaction, userId: UserId, change: Money): void;
  /** The account was activated, frozen or thawed. */
  status(tx: Transaction, userId: UserId): void;
}

export interface WalletChangesDependencies {
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly clock: { now(): number };
  /** Those of the users who have granted `wallet:balance` to any mini-app. */
  readonly haveGranted: (db: Queryable, userIds: readonly UserId[]) => Promise<readonly UserId[]>;
}

interface Pending {
  /** Sums by user and currency, in minor units. */
  readonly balances: Map<UserId, Map<Currency, number>>;
  readonly statuses: Set<UserId>;
}

/** Before the hooks of notices and of the queue: what it queues is written by the latter. */
const rank = -2;

export function createWalletChanges({ queue, clock, haveGranted }: WalletChangesDependencies): WalletChanges {
  const pending = new WeakMap<Transaction, Pending>();
  const key = {};

  const tell = async (tx: Transaction, userId: UserId, { balances, statuses }: Pending): Promise<void> => {
    const wallet = (await findWallet(tx, userId))!;
    const moved = [...(balances.get(userId) ?? [])].filter(([, sum]) => sum !== 0);
    const told: readonly (readonly [Currency, number])[] = moved.length === 0 && statuses.has(userId) ? [[wallet.currency, 0]] : moved;
    for (const [currency, sum] of told) {
      const account = await findAccount(tx, { kind: 'wallet', owner: userId }, currency);
      const newMinor = account === undefined ? 0 : availableIn(account);
      const change: WalletChange = { userId, walletId: wallet.walletId, currency, oldMinor: newMinor - sum, newMinor, status: statusOf(wallet), at: clock.now() };
      queue.enqueue(tx, { stream: `wallet:${userId}`, kind: changeKind, body: change });
    }
  };

  const of = (tx: Transaction): Pending => {
    const known = pending.get(tx);
    if (known !== undefined) return known;
    const made: Pending = { balances: new Map(), statuses: new Set() };
    pending.set(tx, made);
    tx.beforeCommit(
      key,
      async () => {
        const users = new Set([...made.balances.keys(), ...made.statuses]);
        for (const userId of await haveGranted(tx, [...users])) await tell(tx, userId, made);
      },
      rank,
    );
    return made;
  };

  return {
    balance(tx, userId, { amountMinor, currency }) {
      const { balances } = of(tx);
      const sums = balances.get(userId) ?? new Map<Currency, number>();
      balances.set(userId, sums.set(currency, (sums.get(currency) ?? 0) + amountMinor));
    },
    status: (tx, userId) => void of(tx).statuses.add(userId),
  };
}

export interface ChangeWebhooks {
  /** The mini-apps to which this user has granted `wallet:balance`, now. */
  readonly appsOf: (db: Queryable, userId: UserId) => Promise<readonly MiniAppId[]>;
  readonly send: (tx: Transaction, message: { readonly miniappId: MiniAppId; readonly event: string; readonly data: Readonly<Record<string, unknown>> }) => Promise<unknown>;
}

/** Tells each mini-app once, and nothing but what `wallet:balance` shows it: neither who paid nor what for. */
export const walletChangeJobs = ({ appsOf, send }: ChangeWebhooks): Readonly<Record<string, JobKind>> => ({
  [changeKind]: {
    run: ({ body }) => {
      const { userId, walletId, currency: code, oldMinor, newMinor, status, at } = body as WalletChange;
      const currency = asCurrency(code);
      const data = { user_id: userId, wallet_id: walletId, old_balance: amountNumber(oldMinor, currency), new_balance: amountNumber(newMinor, currency), currency, user_status: status, timestamp: isoTime(at) };
      return Promise.resolve(async (tx: Transaction) => {
        for (const miniappId of await appsOf(tx, asUserId(userId))) await send(tx, { miniappId, event: 'wallet.updated', data: { ...data, miniapp_id: miniappId } });
      });
    },
    forgetBody: true,
  },
});
