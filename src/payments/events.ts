import { isoTime } from '../kernel/clock.ts';
import { amountNumber, amountText, eventAmounts, type Money } from '../kernel/money.ts';
import type { OutboundEvent, Place } from '../matrix/port.ts';
import type { Payment, Refund } from './types.ts';

/** What is told of a payment: that it waits, goes on, or how it ended (specification sections 4.11.3 and 8.1.2). */
export type Told = 'request' | 'sent' | 'completed' | 'failed' | 'refunded' | 'cancelled' | 'expired';

interface Look {
  /** What comes of the amount. */
  readonly says: string;
  readonly icon: string;
  readonly color: string;
}

const looks: Readonly<Record<Told, Look>> = {
  request: { says: 'is to be authorized', icon: 'payment_pending', color: '#2196F3' },
  sent: { says: 'is on its way', icon: 'payment_sent', color: '#2196F3' },
  completed: { says: 'completed', icon: 'payment_completed', color: '#4CAF50' },
  failed: { says: 'failed', icon: 'payment_failed', color: '#F44336' },
  refunded: { says: 'was refunded', icon: 'payment_refunded', color: '#FF9800' },
  cancelled: { says: 'was cancelled', icon: 'payment_cancelled', color: '#9E9E9E' },
  expired: { says: 'was not authorized in time', icon: 'payment_expired', color: '#9E9E9E' },
};

/** In the room that the request named, else in the payer's notice room (decision D19). */
export const placeOf = ({ roomId, payer }: Pick<Payment, 'roomId' | 'payer'>): Place => (roomId === undefined ? { noticesOf: payer } : { room: roomId });

const endpoints = (id: string): object => ({
  type: 'authorize',
  label: 'Pay',
  endpoint: `/api/v1/payments/${id}/authorize`,
});

const receipt = (id: string): object => ({ type: 'view_receipt', label: 'View Details', endpoint: `/api/v1/payments/${id}` });

/** How long it can be authorized, why it failed, how much went back. */
function particulars(told: Told, payment: Payment, hidden: boolean, refund: Refund | undefined): object {
  const { id, currency, expiresAt, error, refundedMinor } = payment;
  if (told === 'request') return { expires_at: isoTime(expiresAt), actions: [endpoints(id), receipt(id)] };
  if (told === 'failed') return { error_code: error?.code, actions: [receipt(id)] };
  if (refund === undefined) return { actions: [receipt(id)] };
  return { refund_id: refund.id, ...(hidden ? {} : { refunded_minor: refundedMinor, payment_amount_minor: payment.amountMinor, payment_currency: currency }), actions: [receipt(id)] };
}

/**
 * Content of `m.tween.payment.…` (specification sections 4.11.4, 7.3.3 and 8.1.2). `amount` is what the event is about: of a refund what
 * went back. In an encrypted room it says neither how much nor what for (decision D18).
 */
export function paymentContent(told: Told, payment: Payment, hidden: boolean, now: number, refund?: Refund): Record<string, unknown> {
  const { id, miniappId, merchantName, payer, status, txnId, description, merchantOrderId, sandbox, currency } = payment;
  const { says, icon, color } = looks[told];
  const money: Money = { amountMinor: refund?.amountMinor ?? payment.amountMinor, currency };
  const amounts = hidden ? {} : eventAmounts(money);
  const what = hidden ? 'Payment' : `Payment of ${amountText(money.amountMinor, currency)} ${currency}`;
  const words = hidden || description === undefined ? {} : { description };
  const bookedAs = refund === undefined ? txnId : refund.txnId;
  return {
    msgtype: 'm.tween.payment',
    payment_type: told,
    body: `${what} ${refund === undefined ? 'to' : 'by'} ${merchantName} ${says}`,
    visual: { card_type: told === 'request' ? 'payment_request' : 'payment_receipt', icon, background_color: color },
    payment_id: id,
    miniapp_id: miniappId,
    ...(bookedAs === undefined ? {} : { txn_id: bookedAs }),
    status,
    ...amounts,
    transaction: { txn_id: bookedAs ?? id, ...amounts },
    payment: { payment_id: id, ...amounts, ...words },
    merchant: { miniapp_id: miniappId, name: merchantName },
    ...(refund === undefined ? { sender: { user_id: payer }, recipient: { miniapp_id: miniappId, name: merchantName } } : { sender: { miniapp_id: miniappId, name: merchantName }, recipient: { user_id: payer } }),
    ...(hidden || description === undefined ? {} : { note: description }),
    ...(hidden || merchantOrderId === undefined ? {} : { merchant_order_id: merchantOrderId }),
    ...(sandbox ? { sandbox: true } : {}),
    ...particulars(told, payment, hidden, refund),
    timestamp: isoTime(now),
  };
}

/** The first event of a payment is the request, which a bot may have posted itself; all others refer to it. */
export const paymentEvent = (told: Told, payment: Payment, hidden: boolean, now: number, refund?: Refund): OutboundEvent => ({
  place: placeOf(payment),
  speaker: 'payments',
  type: `m.tween.payment.${told}`,
  content: paymentContent(told, payment, hidden, now, refund),
  ...(told === 'request' ? { remember: payment.id } : { relatesTo: payment.id }),
});

/** `data` of a webhook (specification section 9.1.2). */
export function webhookData(told: Told, payment: Payment, now: number, refund?: Refund): Record<string, unknown> {
  const { id, miniappId, payer, amountMinor, currency, status, txnId, description, merchantOrderId, sandbox, error, refundedMinor } = payment;
  return {
    payment_id: id,
    status,
    ...(txnId === undefined ? {} : { transaction_id: txnId, txn_id: txnId }),
    amount: amountNumber(refund?.amountMinor ?? amountMinor, currency),
    currency,
    user_id: payer,
    miniapp_id: miniappId,
    ...(told === 'failed' && error !== undefined ? { error_code: error.code, error_message: error.message } : {}),
    ...(refund === undefined ? {} : { refund_id: refund.id, refund_transaction_id: refund.txnId, refunded_amount: amountNumber(refundedMinor, currency), payment_amount: amountNumber(amountMinor, currency) }),
    metadata: { ...(merchantOrderId === undefined ? {} : { order_id: merchantOrderId }), ...(description === undefined ? {} : { description }) },
    ...(sandbox ? { sandbox: true } : {}),
    timestamp: isoTime(now),
  };
}
