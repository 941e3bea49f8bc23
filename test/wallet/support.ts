import type { Database, Transaction } from '../../src/database/index.ts';
import { asUserId, type UserId } from '../../src/kernel/ids.ts';
import { asCurrency, type Currency } from '../../src/kernel/money.ts';
import { auditLedger, createWallet, createWalletAdministration, settledId, type Break, type Wallet, type WalletAdministration } from '../../src/wallet/index.ts';
import { openTestDatabase, type TestDatabase } from '../support/databases.ts';

export const usd = asCurrency('USD');
export const jpy = asCurrency('JPY');
export const user = (name: string): UserId => asUserId(`@${name}:example.org`);

/** A clock that stands still. */
export interface StillClock {
  time: number;
  now(): number;
}

export interface Bank {
  readonly database: Database;
  readonly clock: StillClock;
  readonly wallet: Wallet;
  readonly administration: WalletAdministration;
  /** An activated wallet with money in it. */
  fund(userId: UserId, amountMinor: number, currency?: Currency): Promise<UserId>;
  move(from: UserId, to: UserId, amountMinor: number, currency?: Currency): Promise<string>;
  hold(from: UserId, to: UserId, amountMinor: number, currency?: Currency): Promise<string>;
  inTransaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  available(userId: UserId, currency?: Currency): Promise<number>;
  audit(): Promise<Break[]>;
  close(): Promise<void>;
}

/** Whole units, for any currency: small, so that tests can reach them. */
export const limits = { transaction: 10_000, daily: 50_000, monthly: 100_000 };

/** The embedded ledger over a new database, without a server in front. */
export async function openBank(databases: TestDatabase): Promise<Bank> {
  const database = await openTestDatabase(databases);
  const clock: StillClock = { time: Date.UTC(2026, 10, 24, 12), now: () => clock.time };
  const wallet = createWallet({ database, clock, levels: [limits, limits, limits], defaultCurrency: usd });
  const administration = createWalletAdministration({ database, clock, wallet, record: () => Promise.resolve() });
  let serial = 0;
  const p2p = (from: UserId, to: UserId, amountMinor: number, currency: Currency) => ({ from: { user: from }, to: { user: to }, amountMinor, currency, code: 'p2p' as const, ref: `p2p_${(serial += 1)}` });
  return {
    database,
    clock,
    wallet,
    administration,
    async fund(userId, amountMinor, currency = usd) {
      await administration.credit(userId, { amountMinor, currency }, 'Test');
      await database.sql('wallet').where({ user_id: userId, activated_at: null }).update({ activated_at: clock.time, level: 1 });
      return userId;
    },
    move: (from, to, amountMinor, currency = usd) => database.inTransaction((tx) => wallet.transfer(tx, p2p(from, to, amountMinor, currency)).then(settledId)),
    hold: (from, to, amountMinor, currency = usd) => database.inTransaction((tx) => wallet.hold(tx, p2p(from, to, amountMinor, currency)).then(settledId)),
    inTransaction: (work) => database.inTransaction(work),
    available: (userId, currency = usd) => wallet.available({ user: userId }, currency),
    audit: () => auditLedger(database),
    close: () => database.close(),
  };
}

/** The code of the AppError that a promise is rejected with; `done` when it is not. */
export const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  );
