import type { Transaction } from '../database/index.ts';
import type { JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, type ErrorCode } from '../kernel/errors.ts';
import type { MiniApps } from '../miniapps/index.ts';
import type { AuditRecord } from '../security/audit/index.ts';
import { settledId, type Movement, type Wallet } from '../wallet/index.ts';
import { settlingJob } from './jobs.ts';
import { next, type PaymentRecord } from './record.ts';
import { lockPayment } from './repo.ts';
import { notPaid } from './requests.ts';
import { requireSandboxFunds, sandboxAnswerMs, sandboxOutcome } from './sandbox.ts';
import type { Payment } from './types.ts';

export interface SettlementDependencies {
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly wallet: Wallet;
  readonly miniapps: Pick<MiniApps, 'find'>;
  readonly record: PaymentRecord;
}

/** Where money moves. All of it is part of the caller's transaction; what is thrown must roll that back. */
export interface Settlement {
  /** The proof is spent: the money goes over, or is held where the wallet answers later. @throws AppError what the wallet throws, PAYMENT_FAILED, INSUFFICIENT_PERMISSIONS */
  pay(tx: Transaction, payment: Payment): Promise<Payment>;
  /** Ends a payment that the wallet refused. */
  fail(tx: Transaction, payment: Payment, error: AppError): Promise<Payment>;
  /** Part of a job: the wallet's answer to a payment in `processing`; does nothing to any other. */
  answer(tx: Transaction, id: string): Promise<void>;
}

/** What a wallet says no with. Whatever else goes wrong leaves the payment as it is, to be tried again. */
const refusals: readonly ErrorCode[] = ['INSUFFICIENT_FUNDS', 'AMOUNT_EXCEEDS_LIMIT', 'DAILY_LIMIT_EXCEEDED', 'MONTHLY_LIMIT_EXCEEDED', 'P2P_SEND_NOT_ALLOWED', 'USER_SUSPENDED', 'PAYMENT_FAILED'];
export const isRefusal = (error: unknown): error is AppError => error instanceof AppError && refusals.includes(error.code);

const theWallet: AuditRecord['actor'] = { kind: 'system', id: 'wallet' };

/** From the payer to the mini-app, or the same with play money. */
const movementOf = ({ id, payer, miniappId, amountMinor, currency, description, roomId, sandbox }: Payment): Movement => ({
  ...(sandbox ? { from: { sandbox: payer }, to: { sandbox: miniappId } } : { from: { user: payer }, to: { miniapp: miniappId } }),
  amountMinor,
  currency,
  code: 'payment',
  ref: id,
  note: description,
  roomId,
});

export function createSettlement({ clock, queue, wallet, miniapps, record }: SettlementDependencies): Settlement {
  const complete = async (tx: Transaction, before: Payment, payment: Payment, by: AuditRecord['actor']): Promise<Payment> => {
    const completed: Payment = { ...payment, completedAt: clock.now() };
    await record.move(tx, before, completed, by);
    await record.announce(tx, 'completed', completed);
    return completed;
  };

  return {
    async pay(tx, payment) {
      const by = { kind: 'user', id: payment.payer };
      // One that was suspended since is not paid any more.
      if (!payment.sandbox && (await miniapps.find(payment.miniappId, tx))?.status !== 'active') throw notPaid();
      const outcome = sandboxOutcome(payment);
      requireSandboxFunds(outcome);
      if (outcome !== 'answer_later') return complete(tx, payment, { ...payment, status: next(payment, 'authorize', 'process', 'complete'), txnId: settledId(await wallet.transfer(tx, movementOf(payment))) }, by);
      const processing: Payment = { ...payment, status: next(payment, 'authorize', 'process'), txnId: settledId(await wallet.hold(tx, movementOf(payment))) };
      await record.move(tx, payment, processing, by);
      await record.announce(tx, 'sent', processing);
      queue.enqueue(tx, settlingJob(processing, clock.now() + sandboxAnswerMs));
      return processing;
    },
    async fail(tx, payment, { code, message }) {
      const failed: Payment = { ...payment, status: next(payment, 'fail'), error: { code, message }, endedAt: clock.now() };
      await record.move(tx, payment, failed, theWallet);
      await record.announce(tx, 'failed', failed);
      return failed;
    },
    async answer(tx, id) {
      const payment = await lockPayment(tx, id);
      if (payment?.status !== 'processing' || payment.txnId === undefined) return;
      await wallet.capture(tx, payment.txnId);
      await complete(tx, payment, { ...payment, status: next(payment, 'complete') }, theWallet);
    },
  };
}
