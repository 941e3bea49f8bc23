import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import type { Money } from '../kernel/money.ts';
import { highestLevel } from './levels.ts';
import type { WalletChanges } from './changes.ts';
import { settledId, type Wallet } from './port.ts';
import { setFrozen, setLevel } from './repo.ts';

/** For the audit log: what was done to whose wallet, in the transaction that did it. */
export type RecordWalletChange = (tx: Transaction, action: string, userId: UserId, details: Readonly<Record<string, unknown>>) => Promise<void>;

/** What administrators do with wallets, from the command line; each is recorded. */
export interface WalletAdministration {
  /** Money that comes in from outside the books. Opens the wallet where there is none. Returns the transaction id. */
  credit(userId: UserId, money: Money, reason: string): Promise<string>;
  /** Nothing goes out any more, and nobody can start to send to it. @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION */
  freeze(userId: UserId, reason: string): Promise<void>;
  /** @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION */
  unfreeze(userId: UserId): Promise<void>;
  /** Sets the verification level of an activated account. @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION */
  verify(userId: UserId, level: number): Promise<void>;
}

export interface WalletAdministrationDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly wallet: Wallet;
  readonly record: RecordWalletChange;
  readonly changes?: Pick<WalletChanges, 'status'>;
}

export function createWalletAdministration({ database, clock, wallet, record, changes }: WalletAdministrationDependencies): WalletAdministration {
  /** Changes a wallet that is there. @throws AppError NOT_FOUND; INVALID_STATE_TRANSITION with `otherwise` when the change says no */
  const change = (userId: UserId, work: (tx: Transaction) => Promise<boolean>, otherwise: string, [action, details]: readonly [string, Readonly<Record<string, unknown>>]): Promise<void> =>
    database.inTransaction(async (tx) => {
      if ((await wallet.find(userId, tx)) === undefined) throw new AppError('NOT_FOUND', `${userId} has no wallet`);
      if (!(await work(tx))) throw new AppError('INVALID_STATE_TRANSITION', otherwise);
      if (action !== 'wallet.verified') changes?.status(tx, userId);
      await record(tx, action, userId, details);
    });
  return {
    credit: (userId, money, reason) =>
      database.inTransaction(async (tx) => {
        const txnId = settledId(await wallet.transfer(tx, { ...money, from: { outside: true }, to: { user: userId }, code: 'deposit', ref: newId('deposit'), note: reason }));
        await record(tx, 'wallet.credited', userId, { txn_id: txnId, amount_minor: money.amountMinor, currency: money.currency, reason });
        return txnId;
      }),
    freeze: (userId, reason) => change(userId, (tx) => setFrozen(tx, userId, { at: clock.now(), reason }), `the wallet of ${userId} is frozen already`, ['wallet.frozen', { reason }]),
    unfreeze: (userId) => change(userId, (tx) => setFrozen(tx, userId, undefined), `the wallet of ${userId} is not frozen`, ['wallet.unfrozen', {}]),
    verify(userId, level) {
      if (level < 1 || level > highestLevel) throw new RangeError(`there are levels 1 to ${highestLevel}`);
      return change(userId, (tx) => setLevel(tx, userId, level), `${userId} has not activated the account yet`, ['wallet.verified', { level }]);
    },
  };
}
