import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import type { Money } from '../kernel/money.ts';
import { highestLevel } from './levels.ts';
import type { Wallet } from './port.ts';
import { setFrozen, setLevel } from './repo.ts';

/** What administrators do with wallets, from the command line. */
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

export function createWalletAdministration({ database, clock, wallet }: { readonly database: Database; readonly clock: Clock; readonly wallet: Wallet }): WalletAdministration {
  const requireWallet = async (userId: UserId): Promise<void> => {
    if ((await wallet.find(userId)) === undefined) throw new AppError('NOT_FOUND', `${userId} has no wallet`);
  };
  return {
    credit: (userId, money, reason) => database.inTransaction((tx) => wallet.transfer(tx, { ...money, from: { outside: true }, to: { user: userId }, code: 'deposit', ref: newId('deposit'), note: reason })),
    async freeze(userId, reason) {
      await requireWallet(userId);
      if (!(await database.inTransaction((tx) => setFrozen(tx, userId, { at: clock.now(), reason })))) throw new AppError('INVALID_STATE_TRANSITION', `the wallet of ${userId} is frozen already`);
    },
    async unfreeze(userId) {
      await requireWallet(userId);
      if (!(await database.inTransaction((tx) => setFrozen(tx, userId, undefined)))) throw new AppError('INVALID_STATE_TRANSITION', `the wallet of ${userId} is not frozen`);
    },
    async verify(userId, level) {
      await requireWallet(userId);
      if (level < 1 || level > highestLevel) throw new RangeError(`there are levels 1 to ${highestLevel}`);
      if (!(await database.inTransaction((tx) => setLevel(tx, userId, level)))) throw new AppError('INVALID_STATE_TRANSITION', `${userId} has not activated the account yet`);
    },
  };
}
