import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Currency } from '../kernel/money.ts';
import type { RecordWalletChange } from './administration.ts';
import type { WalletChanges } from './changes.ts';
import { listAccounts } from './ledger/repo.ts';
import { availableIn } from './ledger/ledger.ts';
import { windowsAt, type Limits } from './levels.ts';
import type { Wallet, WalletRecord } from './port.ts';
import { findLimitUsage, markActivated, setOwnDailyLimit } from './repo.ts';
import { suspended } from './wallet.ts';

/** What a currency's account holds, in minor units. */
export interface Balance {
  readonly currency: Currency;
  readonly available: number;
  /** Sent to the user, and not theirs until they accept. */
  readonly pending: number;
  /** Sent by the user, and not the recipient's yet. */
  readonly held: number;
}

export interface Standing {
  readonly wallet: WalletRecord;
  /** The wallet's own currency first. */
  readonly balances: readonly [Balance, ...Balance[]];
  readonly limits: Limits;
  /** Used and reserved, in the wallet's currency. */
  readonly usage: { readonly daily: number; readonly monthly: number };
}

export interface Activation {
  readonly walletId: string | undefined;
  readonly termsVersion: string | undefined;
}

export interface Accounts {
  /** Opens the user's wallet, at their own request; doing it again changes nothing. */
  register(userId: UserId, currency: Currency, ownDailyLimitMinor: number | undefined): Promise<Standing>;
  /** Takes the account from pending to active; `alongside` happens with it or not at all. @throws AppError NOT_FOUND for another's wallet id, USER_SUSPENDED, INVALID_STATE_TRANSITION */
  activate(userId: UserId, activation: Activation, alongside?: (tx: Transaction) => Promise<void>): Promise<Standing>;
  /** Of a user who has no wallet yet: an empty one that is not activated. Opens none. `limitsIn`: the currency of limits and usage, else the wallet's own. */
  standing(userId: UserId, walletId: string, limitsIn?: Currency): Promise<Standing>;
}

export interface AccountsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly wallet: Wallet;
  readonly defaultCurrency: Currency;
  readonly record: RecordWalletChange;
  readonly changes?: Pick<WalletChanges, 'status'>;
}

/** The level that activation gives: documents are not looked at by this server, so that more takes an administrator. */
const levelOnActivation = 1;

export function createAccounts(deps: AccountsDependencies): Accounts {
  const { database, clock, wallet, defaultCurrency, record, changes } = deps;

  const standingOf = async (record: WalletRecord, limitsIn: Currency = record.currency): Promise<Standing> => {
    const accounts = await listAccounts(database, { kind: 'wallet', owner: record.userId });
    const balances = accounts.map((account): Balance => ({ currency: account.currency, available: availableIn(account), pending: account.crPending, held: account.drPending }));
    const own = balances.find(({ currency }) => currency === record.currency) ?? { currency: record.currency, available: 0, pending: 0, held: 0 };
    const [day, month] = windowsAt(clock.now());
    const [today, thisMonth] = await Promise.all([day, month].map((window) => findLimitUsage(database, record.userId, limitsIn, window)));
    return {
      wallet: record,
      balances: [own, ...balances.filter(({ currency }) => currency !== record.currency)],
      limits: await wallet.limitsOf(record, limitsIn),
      usage: { daily: today!.used + today!.reserved, monthly: thisMonth!.used + thisMonth!.reserved },
    };
  };

  const activateWallet = async (tx: Transaction, userId: UserId, { walletId, termsVersion }: Activation): Promise<void> => {
    const { walletId: ownId, frozenAt } = await wallet.open(tx, userId);
    if (walletId !== undefined && walletId !== ownId) throw new AppError('NOT_FOUND', 'No such wallet');
    if (frozenAt !== undefined) throw suspended();
    if (!(await markActivated(tx, userId, levelOnActivation, termsVersion, clock.now()))) throw new AppError('INVALID_STATE_TRANSITION', 'The account is active already');
    changes?.status(tx, userId);
    await record(tx, 'wallet.activated', userId, { terms_version: termsVersion });
  };

  return {
    async register(userId, currency, ownDailyLimitMinor) {
      const record = await database.inTransaction(async (tx) => {
        const known = await wallet.find(userId, tx);
        if (known !== undefined) return known;
        await wallet.open(tx, userId, currency);
        if (ownDailyLimitMinor !== undefined) await setOwnDailyLimit(tx, userId, ownDailyLimitMinor);
        return (await wallet.find(userId, tx))!;
      });
      return standingOf(record);
    },
    async activate(userId, activation, alongside) {
      await database.inTransaction(async (tx) => {
        await alongside?.(tx);
        await activateWallet(tx, userId, activation);
      });
      return standingOf((await wallet.find(userId))!);
    },
    async standing(userId, walletId, limitsIn) {
      const none: WalletRecord = { userId, walletId, currency: defaultCurrency, level: 0, dailyLimitMinor: undefined, createdAt: 0, activatedAt: undefined, frozenAt: undefined };
      return standingOf((await wallet.find(userId)) ?? none, limitsIn);
    },
  };
}
