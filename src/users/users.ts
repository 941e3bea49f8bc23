import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId, randomSuffix, type UserId } from '../kernel/ids.ts';
import type { RecordAudit } from '../security/audit/index.ts';
import { countUnsettled, deleteOwn, listBalances, renameInBooks, uncountInstallations, type Erased } from './erasure-repo.ts';
import { deleteSuspension, insertSuspension } from './repo.ts';

/** What administrators do with users. */
export interface Users {
  /**
   * Ends all that the user has open and refuses them from now on; their wallet is frozen.
   * @throws AppError INVALID_STATE_TRANSITION when they are suspended already
   */
  suspend(userId: UserId, administrator: string, reason: string): Promise<{ readonly endedSessions: number; readonly frozeWallet: boolean }>;
  /** @throws AppError INVALID_STATE_TRANSITION when they are not suspended */
  reinstate(userId: UserId, administrator: string, reason: string | undefined): Promise<void>;
  /**
   * Deletes what is the user's own; in the books a pseudonym takes their place.
   * @throws AppError INVALID_STATE_TRANSITION while money of theirs is under way, or left and not to be forfeited
   */
  erase(userId: UserId, administrator: string, options: { readonly reason: string; readonly forfeitBalance: boolean }): Promise<Erasure>;
}

/** What an erasure did, counted in the transaction that did it. */
export interface Erasure {
  readonly erasureId: string;
  readonly erasedAt: number;
  readonly deleted: readonly Erased[];
  readonly pseudonymised: readonly Erased[];
  /** Who the user is in the books; undefined when they were in none. */
  readonly pseudonym: string | undefined;
  /** What stays on the pseudonym's accounts, out of anybody's reach. */
  readonly forfeited: readonly { readonly currency: string; readonly minor: number }[];
}

export interface UsersDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly audit: RecordAudit;
  /** Ends every session of the user, of whatever kind; after it none that was being opened meanwhile is left. */
  readonly endSessions: (tx: Transaction, userId: UserId) => Promise<number>;
  /** Freezes the wallet, or thaws it without a reason. False when there is none, or it was so already. */
  readonly setWalletFrozen: (tx: Transaction, userId: UserId, reason: string | undefined) => Promise<boolean>;
  /** What was stored, or told, is gone: for who keeps some of it at hand. After the commit. */
  readonly onErased: (userId: UserId) => void;
}

/** A server name that can't exist (RFC 2606). */
const nowhere = 'erased.invalid';

export function createUsers({ database, clock, audit, endSessions, setWalletFrozen, onErased }: UsersDependencies): Users {
  const record = (tx: Transaction, action: string, userId: UserId, administrator: string, details: Readonly<Record<string, unknown>>): Promise<void> =>
    audit(tx, { actor: { kind: 'administrator', id: administrator }, action, target: { kind: 'user', id: userId }, details });

  return {
    suspend: (userId, administrator, reason) =>
      database.inTransaction(async (tx) => {
        const frozeWallet = await setWalletFrozen(tx, userId, reason);
        if (!(await insertSuspension(tx, { userId, reason, suspendedBy: administrator, suspendedAt: clock.now(), frozeWallet }))) throw new AppError('INVALID_STATE_TRANSITION', 'This user is suspended already');
        const endedSessions = await endSessions(tx, userId);
        await record(tx, 'user.suspended', userId, administrator, { reason, sessions: endedSessions, froze_wallet: frozeWallet });
        return { endedSessions, frozeWallet };
      }),
    reinstate: (userId, administrator, reason) =>
      database.inTransaction(async (tx) => {
        const ended = await deleteSuspension(tx, userId);
        if (ended === undefined) throw new AppError('INVALID_STATE_TRANSITION', 'This user is not suspended');
        if (ended.frozeWallet) await setWalletFrozen(tx, userId, undefined);
        await record(tx, 'user.reinstated', userId, administrator, reason === undefined ? {} : { reason });
      }),
    erase: (userId, administrator, { reason, forfeitBalance }) =>
      database.inTransaction(async (tx) => {
        await endSessions(tx, userId);
        const unsettled = await countUnsettled(tx, userId);
        if (Object.values(unsettled).some((count) => count > 0)) throw new AppError('INVALID_STATE_TRANSITION', 'Money of this user is still under way: it must be settled or expire first', { details: { ...unsettled } });
        const left = await listBalances(tx, userId);
        if (left.length > 0 && !forfeitBalance) throw invalidField('forfeit_balance', 'must be true: money is left in the wallet, and nobody could reach it any more');
        await uncountInstallations(tx, userId);
        const deleted = await deleteOwn(tx, userId);
        const name = `@erased-${randomSuffix(20)}:${nowhere}`;
        const pseudonymised = await renameInBooks(tx, userId, name);
        const erasure: Erasure = { erasureId: newId('erasure'), erasedAt: clock.now(), deleted, pseudonymised, pseudonym: pseudonymised.length === 0 ? undefined : name, forfeited: left };
        await record(tx, 'user.erased', userId, administrator, { reason, erasure_id: erasure.erasureId, deleted, pseudonymised, pseudonym: erasure.pseudonym, forfeited: left });
        tx.afterCommit(() => onErased(userId));
        return erasure;
      }),
  };
}
