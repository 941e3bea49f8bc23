import { isoTime } from '../kernel/clock.ts';
import { amountNumber } from '../kernel/money.ts';
import type { PaymentWithRefunds } from './payments.ts';
import type { RefundOfPayment } from './refunds.ts';
import { merchantWalletId, type Item, type Payment, type Refund } from './types.ts';

const itemView = ({ itemId, name, quantity, unitPriceMinor }: Item, { currency }: Payment): object => ({
  ...(itemId === undefined ? {} : { item_id: itemId }),
  name,
  quantity,
  unit_price: amountNumber(unitPriceMinor, currency),
});

const refundItemView = ({ id, amountMinor, reason, status, txnId, createdAt }: Refund, { currency }: Payment): object => ({
  refund_id: id,
  amount: amountNumber(amountMinor, currency),
  ...(reason === undefined ? {} : { reason }),
  status,
  ...(txnId === undefined ? {} : { txn_id: txnId }),
  created_at: isoTime(createdAt),
});

/** When it ended without money, under the name that its end has. */
const endView = ({ status, endedAt }: Payment): object => (endedAt === undefined ? {} : { [`${status}_at`]: isoTime(endedAt) });

/** Specification sections 7.3.1 and 7.3.3. `payerWalletId` where the payer has a wallet. */
export function paymentView({ payment, refunds }: PaymentWithRefunds, payerWalletId?: string): Record<string, unknown> {
  const { id, status, amountMinor, currency, miniappId, merchantName, payer, description, merchantOrderId, items, roomId, txnId, refundedMinor, error, sandbox, createdAt, expiresAt, completedAt } = payment;
  return {
    payment_id: id,
    status,
    amount: amountNumber(amountMinor, currency),
    currency,
    merchant: { miniapp_id: miniappId, name: merchantName, wallet_id: merchantWalletId(miniappId) },
    payer: { user_id: payer, ...(payerWalletId === undefined ? {} : { wallet_id: payerWalletId }) },
    authorization_required: status === 'pending_authorization' || status === 'mfa_required',
    ...(description === undefined ? {} : { description }),
    ...(merchantOrderId === undefined ? {} : { merchant_order_id: merchantOrderId }),
    ...(items.length === 0 ? {} : { items: items.map((item) => itemView(item, payment)) }),
    ...(roomId === undefined ? {} : { room_id: roomId }),
    ...(txnId === undefined ? {} : { txn_id: txnId }),
    ...(refundedMinor === 0 ? {} : { refunded_amount: amountNumber(refundedMinor, currency) }),
    ...(refundedMinor === 0 && refunds.length === 0 ? {} : { refunds: refunds.map((refund) => refundItemView(refund, payment)) }),
    ...(error === undefined ? {} : { error_code: error.code, error_message: error.message }),
    ...(sandbox ? { sandbox: true } : {}),
    created_at: isoTime(createdAt),
    expires_at: isoTime(expiresAt),
    ...(completedAt === undefined ? {} : { completed_at: isoTime(completedAt) }),
    ...endView(payment),
  };
}

/** What a refund is answered with. */
export const refundView = ({ payment, refund: { id, amountMinor, reason, notes, status, txnId, createdAt } }: RefundOfPayment): Record<string, unknown> => ({
  refund_id: id,
  payment_id: payment.id,
  status: payment.status,
  amount: amountNumber(amountMinor, payment.currency),
  currency: payment.currency,
  refunded_amount: amountNumber(payment.refundedMinor, payment.currency),
  refundable_amount: amountNumber(payment.amountMinor - payment.refundedMinor - payment.refundingMinor, payment.currency),
  ...(reason === undefined ? {} : { reason }),
  ...(notes === undefined ? {} : { notes }),
  refund_status: status,
  ...(txnId === undefined ? {} : { txn_id: txnId }),
  created_at: isoTime(createdAt),
});
