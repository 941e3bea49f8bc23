import type { Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type MiniAppId } from '../kernel/ids.ts';
import { amountNumber } from '../kernel/money.ts';
import type { AuditRecord } from '../security/audit/index.ts';
import { settledId, type Wallet } from '../wallet/index.ts';
import { next, type PaymentRecord } from './record.ts';
import { insertRefund } from './refund-repo.ts';
import { lockPayment } from './repo.ts';
import type { Payment, Refund } from './types.ts';

export interface RefundsDependencies {
  readonly clock: Clock;
  readonly wallet: Wallet;
  readonly record: PaymentRecord;
}

export interface RefundRequest {
  /** Everything that is left when absent; read in the payment's currency, which only the transaction knows for sure. */
  readonly amountMinor: (payment: Payment) => number | undefined;
  readonly reason: string | undefined;
  readonly notes: string | undefined;
  /** The merchant whose client asks; absent for an administrator. */
  readonly miniappId: MiniAppId | undefined;
  readonly by: AuditRecord['actor'];
}

export interface Refunds {
  /**
   * Part of the transaction that keeps the idempotency key. Several at once wait for each other; together they never give back more
   * than was paid.
   * @throws AppError PAYMENT_NOT_FOUND, INVALID_STATE_TRANSITION, INVALID_AMOUNT, INSUFFICIENT_FUNDS when the merchant has spent the money
   */
  refund(tx: Transaction, id: string, request: RefundRequest): Promise<{ readonly payment: Payment; readonly refund: Refund }>;
}

const refundable = ({ amountMinor, refundedMinor }: Payment): number => amountMinor - refundedMinor;

function requireRefundable(payment: Payment, amountMinor: number): void {
  const left = refundable(payment);
  if (amountMinor <= left) return;
  throw new AppError('INVALID_AMOUNT', 'amount: is more than what is left of the payment', { details: { field: 'amount', problem: 'is more than what is left of the payment', refundable_amount: amountNumber(left, payment.currency), currency: payment.currency } });
}

export function createRefunds({ clock, wallet, record }: RefundsDependencies): Refunds {
  const giveBack = async (tx: Transaction, payment: Payment, amountMinor: number): Promise<string> => {
    const { id, payer, miniappId, currency, sandbox, description, roomId, txnId } = payment;
    const parties = sandbox ? { from: { sandbox: miniappId }, to: { sandbox: payer } } : { from: { miniapp: miniappId }, to: { user: payer } };
    try {
      return settledId(await wallet.transfer(tx, { ...parties, amountMinor, currency, code: 'refund', ref: id, note: description, roomId, undoes: txnId }));
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'INSUFFICIENT_FUNDS') throw error;
      throw new AppError('INSUFFICIENT_FUNDS', "The mini-app's wallet does not hold enough for this refund", { details: error.details ?? {} });
    }
  };

  return {
    async refund(tx, id, { amountMinor: wanted, reason, notes, miniappId, by }) {
      const before = await lockPayment(tx, id);
      if (before === undefined || (miniappId !== undefined && before.miniappId !== miniappId)) throw new AppError('PAYMENT_NOT_FOUND', 'No such payment');
      const amountMinor = wanted(before) ?? refundable(before);
      // First whether there is anything to refund at all, then how much.
      const isRest = amountMinor === refundable(before);
      const status = next(before, isRest ? 'refund_all' : 'refund');
      requireRefundable(before, amountMinor);
      const txnId = await giveBack(tx, before, amountMinor);
      const refund: Refund = { id: newId('ref'), paymentId: id, amountMinor, reason, notes, refundedBy: `${by.kind}:${by.id}`, txnId, createdAt: clock.now() };
      const payment: Payment = { ...before, status, refundedMinor: before.refundedMinor + amountMinor };
      await record.move(tx, before, payment, by);
      await insertRefund(tx, refund);
      await record.announce(tx, 'refunded', payment, refund);
      return { payment, refund };
    },
  };
}
