import type { Database, Queryable } from '../../database/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { asUserId, newId, type UserId } from '../../kernel/ids.ts';
import { asCurrency, type Currency } from '../../kernel/money.ts';
import type { Accounts, Balance, Standing } from '../accounts.ts';
import type { RecordWalletChange } from '../administration.ts';
import type { WalletRecord } from '../port.ts';
import { findWallet, reserveWalletId } from '../repo.ts';
import type { WalletServiceClient } from './client.ts';
import { mirrorAccounts } from './mirror-repo.ts';
import { limitsFromWire, type WireAccount, type WireStanding } from './wire.ts';

export interface RemoteAccountsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly client: WalletServiceClient;
  readonly defaultCurrency: Currency;
  readonly record: RecordWalletChange;
  /** Which share of the service's limits counts just now (decision D20). */
  readonly limitShareOf: (userId: UserId, db: Queryable) => Promise<number>;
}

const recordOf = (account: WireAccount): WalletRecord => ({
  userId: asUserId(account.user_id),
  walletId: account.wallet_id,
  currency: asCurrency(account.currency),
  level: account.level,
  dailyLimitMinor: undefined,
  createdAt: Date.parse(account.created_at),
  activatedAt: account.level === 0 ? undefined : Date.parse(account.activated_at ?? account.created_at),
  frozenAt: account.user_status === 'suspended' || account.wallet_status === 'suspended' ? 0 : undefined,
});

function standingFromWire({ account, balances, limits, usage }: WireStanding): Standing {
  const all = balances.map(({ currency, available_minor: available, pending_minor: pending, held_minor: held }): Balance => ({ currency: asCurrency(currency), available, pending, held }));
  return { wallet: recordOf(account), balances: [all[0]!, ...all.slice(1)], limits: limitsFromWire(limits), usage: { daily: usage.daily_minor, monthly: usage.monthly_minor } };
}

/** Accounts that a wallet service keeps (specification section 6.3.4). */
export function createRemoteAccounts({ database, clock, client, defaultCurrency, record, limitShareOf }: RemoteAccountsDependencies): Accounts {
  const walletIdOf = (userId: UserId): Promise<string> => reserveWalletId(database, userId, newId('tw'), clock.now());
  const mirror = (account: WireAccount): Promise<void> => mirrorAccounts(database, [account], clock.now());

  const lowered = async (standing: Standing): Promise<Standing> => {
    const share = await limitShareOf(standing.wallet.userId, database);
    const { transaction, daily, monthly } = standing.limits;
    return share === 1 ? standing : { ...standing, limits: { transaction: Math.floor(transaction * share), daily: Math.floor(daily * share), monthly: Math.floor(monthly * share) } };
  };

  const standing = async (userId: UserId, walletId: string): Promise<Standing> => {
    const found = await client.balance(userId);
    if (found !== undefined) {
      await mirror(found.account);
      const standing = await lowered(standingFromWire(found));
      // One that an administrator of this server froze sends nothing, whatever the service says.
      const here = await findWallet(database, userId);
      return here?.frozenAt === undefined ? standing : { ...standing, wallet: { ...standing.wallet, frozenAt: here.frozenAt } };
    }
    const none: WalletRecord = { userId, walletId, currency: defaultCurrency, level: 0, dailyLimitMinor: undefined, createdAt: 0, activatedAt: undefined, frozenAt: undefined };
    return { wallet: none, balances: [{ currency: defaultCurrency, available: 0, pending: 0, held: 0 }], limits: { transaction: 0, daily: 0, monthly: 0 }, usage: { daily: 0, monthly: 0 } };
  };

  return {
    standing,
    async register(userId, currency, ownDailyLimitMinor) {
      const walletId = await walletIdOf(userId);
      await mirror(await client.ensureAccount(userId, { wallet_id: walletId, currency, ...(ownDailyLimitMinor === undefined ? {} : { daily_limit_minor: ownDailyLimitMinor }) }));
      return standing(userId, walletId);
    },
    async activate(userId, { walletId: named, termsVersion }) {
      const known = await client.account(userId);
      if (known !== undefined) await mirror(known);
      const here = await findWallet(database, userId);
      const walletId = here?.walletId ?? (await walletIdOf(userId));
      if (named !== undefined && named !== walletId) throw new AppError('NOT_FOUND', 'No such wallet');
      if (here?.frozenAt !== undefined) throw new AppError('USER_SUSPENDED', 'This account is suspended');
      if (known?.user_status === 'active') throw new AppError('INVALID_STATE_TRANSITION', 'The account is active already');
      await mirror(await client.activate(userId, { wallet_id: walletId, currency: here?.currency ?? defaultCurrency, ...(termsVersion === undefined ? {} : { terms_version: termsVersion }) }));
      await database.inTransaction((tx) => record(tx, 'wallet.activated', userId, { terms_version: termsVersion }));
      return standing(userId, walletId);
    },
  };
}
