import type { Transaction } from '../database/index.ts';
import { createAuthorization, type Authorization, type AuthorizationDependencies } from './authorization.ts';
import { requireConcerned, type PaymentCaller } from './gate.ts';
import { expiryJobKind, sentJobKind, settlingJobKind, type PaymentJob } from './jobs.ts';
import { createPaymentRecord, type RecordDependencies } from './record.ts';
import { listRefunds } from './refund-repo.ts';
import { createRefunds, type Refunds } from './refunds.ts';
import { findPayment } from './repo.ts';
import { createPaymentRequests, type PaymentRequests, type RequestsDependencies } from './requests.ts';
import { createSettlement, type Settlement, type SettlementDependencies } from './settlement.ts';
import type { Payment, Refund } from './types.ts';

export type PaymentsDependencies = Omit<RequestsDependencies & SettlementDependencies & AuthorizationDependencies & RecordDependencies, 'record' | 'settlement'>;

export interface PaymentWithRefunds {
  readonly payment: Payment;
  readonly refunds: readonly Refund[];
}

/** Payments to mini-apps: specification sections 7.3 and 7.4, decisions D5 to D8 and D20 to D23. */
export interface Payments extends PaymentRequests, Authorization, Refunds, Pick<Settlement, 'answer' | 'tellSent' | 'takeAnswer'> {
  /** For its payer and its merchant. @throws AppError PAYMENT_NOT_FOUND for everybody else */
  get(caller: PaymentCaller, id: string): Promise<PaymentWithRefunds>;
}

export function createPayments(deps: PaymentsDependencies): Payments {
  const record = createPaymentRecord(deps);
  const settlement = createSettlement({ ...deps, record });
  const requests = createPaymentRequests({ ...deps, record });
  const refunds = createRefunds({ ...deps, record });
  const desk = createAuthorization({ ...deps, record, settlement });
  return {
    prepare: (miniappId, terms) => requests.prepare(miniappId, terms),
    create: (tx, terms, preparation, by, askedBy) => requests.create(tx, terms, preparation, by, askedBy),
    prepareRefund: (id) => refunds.prepareRefund(id),
    refund: (tx, id, request) => refunds.refund(tx, id, request),
    finishRefund: (refundId, moved) => refunds.finishRefund(refundId, moved),
    takeRefundAnswer: (tx, answer) => refunds.takeRefundAnswer(tx, answer),
    takeAnswer: (tx, answer) => settlement.takeAnswer(tx, answer),
    answer: (tx, id) => settlement.answer(tx, id),
    tellSent: (tx, id) => settlement.tellSent(tx, id),
    authorize: (session, id, signature) => desk.authorize(session, id, signature),
    challenge: (session, id) => desk.challenge(session, id),
    verify: (session, id, answer) => desk.verify(session, id, answer),
    cancel: (session, id) => desk.cancel(session, id),
    expire: (tx, id) => desk.expire(tx, id),
    async get(caller, id) {
      const payment = requireConcerned(await findPayment(deps.database, id), caller);
      return { payment, refunds: payment.completedAt === undefined ? [] : await listRefunds(deps.database, id) };
    },
  };
}

export const paymentJobs = (payments: Pick<Payments, 'expire' | 'answer' | 'tellSent'>) => {
  const acting = (act: (tx: Transaction, id: string) => Promise<void>) => ({ run: ({ body }: { readonly body: unknown }) => Promise.resolve((tx: Transaction) => act(tx, (body as PaymentJob).paymentId)) });
  return { [expiryJobKind]: acting((tx, id) => payments.expire(tx, id)), [settlingJobKind]: acting((tx, id) => payments.answer(tx, id)), [sentJobKind]: acting((tx, id) => payments.tellSent(tx, id)) };
};
