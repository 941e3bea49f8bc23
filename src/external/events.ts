import { isoTime } from '../kernel/clock.ts';
import { amountNumber, amountText, eventAmounts } from '../kernel/money.ts';
import type { OutboundEvent } from '../matrix/port.ts';
import type { NewNotice } from '../notices/index.ts';
import type { AccountStatus } from './machines.ts';
import type { AccountType, ExternalAccount, Order } from './types.ts';

const typeNames: Readonly<Record<AccountType, string>> = { bank_account: 'bank account', card: 'card', digital_wallet: 'digital wallet', mobile_money: 'mobile money account' };
/** How an account is spoken of: never by more than the end of its number. */
const nameOf = ({ type, lastFour }: ExternalAccount): string => `${typeNames[type]} •••• ${lastFour}`;

const says: Readonly<Record<Order['status'], string>> = {
  pending_authorization: 'is to be confirmed',
  pending_approval: 'waits for an administrator',
  processing: 'is on its way',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'was cancelled',
  expired: 'was not approved in time',
};

/** Content of `m.tween.wallet.withdrawal` and `m.tween.wallet.funding`, for the user's notice room. */
export function orderContent(order: Order, account: ExternalAccount, now: number): Record<string, unknown> {
  const { id, kind, userId, status, amountMinor, currency, note, txnId, error, expiresAt } = order;
  const amounts = eventAmounts(order);
  return {
    msgtype: 'm.tween.money',
    body: `${kind === 'withdrawal' ? 'Withdrawal' : 'Funding'} of ${amountText(amountMinor, currency)} ${currency} ${kind === 'withdrawal' ? 'to' : 'from'} ${nameOf(account)} ${says[status]}`,
    [`${kind}_id`]: id,
    status,
    ...amounts,
    transaction: { ...(txnId === undefined ? {} : { txn_id: txnId }), ...amounts },
    sender: { user_id: userId },
    provider: account.provider,
    external_account: { external_account_id: account.id, account_type: account.type, last_four: account.lastFour },
    ...(note === undefined ? {} : { note }),
    ...(error === undefined ? {} : { error_code: error.code }),
    ...(status === 'pending_approval' && expiresAt !== undefined ? { expires_at: isoTime(expiresAt) } : {}),
    timestamp: isoTime(now),
  };
}

/** Of an order that its user has confirmed; nobody hears of any other. All later ones refer to the first. */
export const orderEvent = (order: Order, account: ExternalAccount, isFirst: boolean, now: number): OutboundEvent => ({
  place: { noticesOf: order.userId },
  speaker: 'payments',
  type: `m.tween.wallet.${order.kind}`,
  content: orderContent(order, account, now),
  ...(isFirst ? { remember: order.id } : { relatesTo: order.id }),
});

export const orderNotice = ({ id, kind, userId, status, amountMinor, currency, accountId }: Order): NewNotice => ({
  userId,
  kind: `${kind}.updated`,
  body: { [`${kind}_id`]: id, status, amount: amountNumber(amountMinor, currency), currency, external_account_id: accountId },
});

const accountSays: Readonly<Record<Exclude<AccountStatus, 'pending_authorization'>, string>> = {
  pending_verification: 'was linked to your wallet and is to be verified',
  verified: 'is verified: money can go to it',
  failed: 'could not be verified',
  removed: 'was removed from your wallet',
};

/** Where money may go is something that its owner must hear of, whoever changed it. */
export const accountEvent = (account: ExternalAccount & { readonly status: Exclude<AccountStatus, 'pending_authorization'> }, now: number): OutboundEvent => ({
  place: { noticesOf: account.userId },
  speaker: 'payments',
  type: 'm.tween.wallet.external_account',
  content: {
    msgtype: 'm.tween.money',
    body: `Your ${nameOf(account)} ${accountSays[account.status]}`,
    external_account_id: account.id,
    status: account.status,
    account_type: account.type,
    last_four: account.lastFour,
    currency: account.currency,
    provider: account.provider,
    sender: { user_id: account.userId },
    timestamp: isoTime(now),
  },
  ...(account.status === 'pending_verification' ? { remember: account.id } : { relatesTo: account.id }),
});

export const accountNotice = ({ id, userId, status, type, lastFour }: ExternalAccount): NewNotice => ({ userId, kind: 'external_account.updated', body: { external_account_id: id, status, account_type: type, last_four: lastFour } });
