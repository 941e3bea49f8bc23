import type { NewJob } from '../jobs/index.ts';
import type { Payment } from './types.ts';

export const expiryJobKind = 'payment.expire';
export const settlingJobKind = 'payment.settle';
export const sentJobKind = 'payment.sent';

/** Body of all of them. */
export interface PaymentJob {
  readonly paymentId: string;
}

/** A stream of its own, as nothing else has to wait for it. */
const jobOf = (kind: string, { id }: Payment, runAt: number): NewJob => ({ id: `${kind}:${id}`, stream: `${kind}:${id}`, kind, body: { paymentId: id } satisfies PaymentJob, runAt });

/** Ends a payment that was not authorized in time. */
export const expiryJob = (payment: Payment): NewJob => jobOf(expiryJobKind, payment, payment.expiresAt);

/** Asks what became of a payment that is in `processing`. */
export const settlingJob = (payment: Payment, runAt: number): NewJob => jobOf(settlingJobKind, payment, runAt);

/** Says that a payment is on its way, if a wallet service has not answered by then. */
export const sentJob = (payment: Payment, runAt: number): NewJob => jobOf(sentJobKind, payment, runAt);
