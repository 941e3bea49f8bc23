import type { Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { RoomEvents } from '../matrix/port.ts';
import type { Notices } from '../notices/index.ts';
import type { AuditRecord, RecordAudit } from '../security/audit/index.ts';
import { saveAccount } from './account-repo.ts';
import { accountEvent, accountNotice, orderEvent, orderNotice } from './events.ts';
import type { AccountStatus } from './machines.ts';
import { insertOrder, moveOrder } from './order-repo.ts';
import type { ExternalAccount, Order } from './types.ts';

export type Actor = AuditRecord['actor'];

export interface RecordDependencies {
  readonly clock: Clock;
  readonly events: RoomEvents;
  readonly notices: Pick<Notices, 'publish'>;
  readonly audit: RecordAudit;
  /** After the commit: for the metrics. */
  readonly onMoved: (kind: Order['kind'], status: Order['status']) => void;
}

/** Changes of accounts outside, fundings and withdrawals, and everybody who hears of them, in the caller's transaction. */
export interface ExternalRecord {
  insertOrder(tx: Transaction, order: Order): Promise<void>;
  /** Writes the new state. @throws AppError INVALID_STATE_TRANSITION when somebody else has changed the order meanwhile */
  moveOrder(tx: Transaction, before: Order, order: Order, account: ExternalAccount, by: Actor): Promise<void>;
  /** Only for the audit log: something was done to it that leaves its state. */
  noteOrder(tx: Transaction, order: Order, action: string, by: Actor, details?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Of an account that was just written down. */
  noteNewAccount(tx: Transaction, account: ExternalAccount): Promise<void>;
  /** Writes the new state of a locked account. */
  moveAccount(tx: Transaction, before: ExternalAccount, account: ExternalAccount, by: Actor): Promise<void>;
}

export const byUser = ({ userId }: { readonly userId: string }): Actor => ({ kind: 'user', id: userId });
export const byProvider = ({ provider }: { readonly provider: string }): Actor => ({ kind: 'system', id: `provider:${provider}` });
export const theClock: Actor = { kind: 'system', id: 'expiry' };

export function createExternalRecord({ clock, events, notices, audit, onMoved }: RecordDependencies): ExternalRecord {
  const noteOrder: ExternalRecord['noteOrder'] = async (tx, order, action, by, details = {}) => {
    const { id, kind, userId, accountId, amountMinor, currency, txnId, error } = order;
    await audit(tx, {
      actor: by,
      action: `${kind}.${action}`,
      target: { kind, id },
      details: { user_id: userId, external_account_id: accountId, amount_minor: amountMinor, currency, ...(txnId === undefined ? {} : { txn_id: txnId }), ...(error === undefined ? {} : { error_code: error.code }), ...details },
    });
  };
  const moved = (tx: Transaction, order: Order): void => {
    notices.publish(tx, orderNotice(order));
    tx.afterCommit(() => onMoved(order.kind, order.status));
  };
  const noteAccount = async (tx: Transaction, account: ExternalAccount, action: string, by: Actor): Promise<void> => {
    const { id, userId, type, currency, lastFour, provider, errorCode } = account;
    await audit(tx, { actor: by, action: `external_account.${action}`, target: { kind: 'external_account', id }, details: { user_id: userId, type, currency, last_four: lastFour, provider, ...(errorCode === undefined ? {} : { error_code: errorCode }) } });
    notices.publish(tx, accountNotice(account));
  };
  const isConfirmed = (status: AccountStatus): status is Exclude<AccountStatus, 'pending_authorization'> => status !== 'pending_authorization';

  return {
    noteOrder,
    async insertOrder(tx, order) {
      await insertOrder(tx, order);
      await noteOrder(tx, order, 'requested', byUser(order));
      moved(tx, order);
    },
    async moveOrder(tx, before, order, account, by) {
      if (!(await moveOrder(tx, before.status, order))) throw new AppError('INVALID_STATE_TRANSITION', `The ${order.kind} has changed meanwhile`);
      await noteOrder(tx, order, order.status, by);
      moved(tx, order);
      if (order.confirmedAt !== undefined) events.emit(tx, orderEvent(order, account, before.confirmedAt === undefined, clock.now()));
    },
    noteNewAccount: (tx, account) => noteAccount(tx, account, 'requested', byUser(account)),
    async moveAccount(tx, before, account, by) {
      await saveAccount(tx, account);
      await noteAccount(tx, account, account.status, by);
      const { status } = account;
      // One that its owner never confirmed was never anybody's news.
      if (isConfirmed(status) && (before.status !== 'pending_authorization' || status === 'pending_verification')) events.emit(tx, accountEvent({ ...account, status }, clock.now()));
    },
  };
}
