import type { Database, Transaction } from '../database/index.ts';
import type { JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { AppError } from '../kernel/errors.ts';
import type { MiniApps } from '../miniapps/index.ts';
import type { AuditRecord } from '../security/audit/index.ts';
import type { Moved, Movement, MovementProof, TakeAnswer, Wallet } from '../wallet/index.ts';
import { sentJob, settlingJob } from './jobs.ts';
import { next, type PaymentRecord } from './record.ts';
import { findPayment, lockPayment } from './repo.ts';
import { notPaid } from './requests.ts';
import { requireSandboxFunds, sandboxAnswerMs, sandboxOutcome } from './sandbox.ts';
import type { Payment } from './types.ts';

export interface SettlementDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly wallet: Wallet;
  readonly miniapps: Pick<MiniApps, 'find'>;
  readonly record: PaymentRecord;
  /** How long a wallet service may take before it is announced that a payment is on its way. */
  readonly sentAfterMs: number;
}

/** Where money moves. All of it is part of the caller's transaction; what is thrown must roll that back. */
export interface Settlement {
  /** Outside of a transaction, before `pay`. @throws AppError what the wallet would refuse it with, SERVICE_UNAVAILABLE */
  lookAhead(payment: Payment): Promise<unknown>;
  /** The proof is spent: the money goes over, or the payment is `processing` where the wallet answers later. @throws AppError what the wallet throws, PAYMENT_FAILED, INSUFFICIENT_PERMISSIONS */
  pay(tx: Transaction, payment: Payment, proof: MovementProof | undefined): Promise<{ readonly payment: Payment; readonly moved: Moved }>;
  /** After the commit of `pay`: the payment as it stands once the wallet has had its time. */
  finish(paid: { readonly payment: Payment; readonly moved: Moved }): Promise<Payment>;
  /** Ends a payment that the wallet refused. */
  fail(tx: Transaction, payment: Payment, error: AppError): Promise<Payment>;
  /** Part of a job: the wallet's answer to a payment in `processing`; does nothing to any other. */
  answer(tx: Transaction, id: string): Promise<void>;
  /** Part of a job: announces that a payment is on its way, if the wallet service has not answered yet. */
  tellSent(tx: Transaction, id: string): Promise<void>;
  /** The wallet service's answer. */
  readonly takeAnswer: TakeAnswer;
}

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

export function createSettlement({ database, clock, queue, wallet, miniapps, record, sentAfterMs }: SettlementDependencies): Settlement {
  const complete = async (tx: Transaction, before: Payment, payment: Payment, by: AuditRecord['actor']): Promise<Payment> => {
    const completed: Payment = { ...payment, completedAt: clock.now() };
    await record.move(tx, before, completed, by);
    await record.announce(tx, 'completed', completed);
    return completed;
  };

  const fail: Settlement['fail'] = async (tx, payment, { code, message }) => {
    const failed: Payment = { ...payment, status: next(payment, 'fail'), error: { code, message }, endedAt: clock.now() };
    await record.move(tx, payment, failed, theWallet);
    await record.announce(tx, 'failed', failed);
    return failed;
  };

  const pay: Settlement['pay'] = async (tx, payment, proof) => {
    const by = { kind: 'user', id: payment.payer };
    // One that was suspended since is not paid any more.
    if (!payment.sandbox && (await miniapps.find(payment.miniappId, tx))?.status !== 'active') throw notPaid();
    const outcome = sandboxOutcome(payment);
    requireSandboxFunds(outcome);
    const later = outcome === 'answer_later';
    const movement = { ...movementOf(payment), proof };
    const moved = await (later ? wallet.hold(tx, movement) : wallet.transfer(tx, movement));
    if (moved.settled && !later) return { payment: await complete(tx, payment, { ...payment, status: next(payment, 'authorize', 'process', 'complete'), txnId: moved.txnId }, by), moved };
    const processing: Payment = { ...payment, status: next(payment, 'authorize', 'process'), txnId: moved.settled ? moved.txnId : undefined, byService: !moved.settled };
    await record.move(tx, payment, processing, by);
    if (moved.settled) {
      await record.announce(tx, 'sent', processing);
      queue.enqueue(tx, settlingJob(processing, clock.now() + sandboxAnswerMs));
    } else {
      // Most answers come while the request waits for them, and then there is nothing to say in between.
      queue.enqueue(tx, sentJob(processing, clock.now() + sentAfterMs));
    }
    return { payment: processing, moved };
  };

  return {
    lookAhead: (payment) => wallet.lookAhead(movementOf(payment)),
    pay,
    fail,
    async finish({ payment, moved }) {
      if (moved.settled) return payment;
      await wallet.finish(moved);
      return (await findPayment(database, payment.id))!;
    },
    async takeAnswer(tx, { ref, outcome }) {
      const payment = await lockPayment(tx, ref);
      if (payment?.status !== 'processing') throw new Error(`the wallet answers to the payment ${ref}, which does not wait for it`);
      if ('refused' in outcome) await fail(tx, payment, outcome.refused);
      else await complete(tx, payment, { ...payment, status: next(payment, 'complete'), txnId: outcome.txnId }, theWallet);
    },
    async tellSent(tx, id) {
      const payment = await lockPayment(tx, id);
      if (payment?.status === 'processing') await record.announce(tx, 'sent', payment);
    },
    async answer(tx, id) {
      const payment = await lockPayment(tx, id);
      if (payment?.status !== 'processing' || payment.byService || payment.txnId === undefined) return;
      await wallet.capture(tx, payment.txnId);
      await complete(tx, payment, { ...payment, status: next(payment, 'complete') }, theWallet);
    },
  };
}
