import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type MiniAppId } from '../kernel/ids.ts';
import { amountNumber } from '../kernel/money.ts';
import type { AuditRecord } from '../security/audit/index.ts';
import { refusalOf, type Moved, type TakeAnswer, type Wallet } from '../wallet/index.ts';
import { next, type PaymentRecord } from './record.ts';
import { findRefund, findRefundByInstruction, insertRefund, settleRefund } from './refund-repo.ts';
import { findPayment, lockPayment } from './repo.ts';
import type { Payment, Refund } from './types.ts';

export interface RefundsDependencies {
  readonly database: Database;
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

export interface RefundOfPayment {
  readonly payment: Payment;
  readonly refund: Refund;
}

export interface Refunds {
  /** Outside of a transaction. @throws AppError SERVICE_UNAVAILABLE */
  prepareRefund(id: string): Promise<void>;
  /**
   * Part of the transaction that keeps the idempotency key. Several at once wait for each other; together they never give back more
   * than was paid. With a wallet service the refund is `processing` afterwards, and its amount reserved.
   * @throws AppError PAYMENT_NOT_FOUND, INVALID_STATE_TRANSITION, INVALID_AMOUNT, INSUFFICIENT_FUNDS when the merchant has spent the money
   */
  refund(tx: Transaction, id: string, request: RefundRequest): Promise<RefundOfPayment & { readonly moved: Moved }>;
  /** After the commit: where the refund stands once the wallet has had its time. @throws AppError what the wallet refused it with */
  finishRefund(refundId: string, moved: Moved): Promise<RefundOfPayment>;
  /** The wallet service's answer to a refund. */
  readonly takeRefundAnswer: TakeAnswer;
}

const theWallet: AuditRecord['actor'] = { kind: 'system', id: 'wallet' };
const refundable = ({ amountMinor, refundedMinor, refundingMinor }: Payment): number => amountMinor - refundedMinor - refundingMinor;

function requireRefundable(payment: Payment, amountMinor: number): void {
  const left = refundable(payment);
  if (amountMinor <= left && left > 0) return;
  throw new AppError('INVALID_AMOUNT', 'amount: is more than what is left of the payment', { details: { field: 'amount', problem: 'is more than what is left of the payment', refundable_amount: amountNumber(left, payment.currency), currency: payment.currency } });
}

/** Said in the merchant's words: it is not the payer who lacks the money. */
function asMerchantsLack(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'INSUFFICIENT_FUNDS') return error;
  return new AppError('INSUFFICIENT_FUNDS', "The mini-app's wallet does not hold enough for this refund", { details: error.details ?? {} });
}

class RefundDesk implements Refunds {
  readonly #deps: RefundsDependencies;
  constructor(deps: RefundsDependencies) {
    this.#deps = deps;
  }

  async prepareRefund(id: string): Promise<void> {
    const payment = await findPayment(this.#deps.database, id);
    if (payment !== undefined) await this.#deps.wallet.lookAhead(this.#movement(payment, payment.amountMinor));
  }

  async refund(tx: Transaction, id: string, { amountMinor: wanted, reason, notes, miniappId, by }: RefundRequest): Promise<RefundOfPayment & { readonly moved: Moved }> {
    const before = await lockPayment(tx, id);
    if (before === undefined || (miniappId !== undefined && before.miniappId !== miniappId)) throw new AppError('PAYMENT_NOT_FOUND', 'No such payment', { neverWas: before === undefined });
    const amountMinor = wanted(before) ?? refundable(before);
    // First whether there is anything to refund at all, then how much.
    next(before, amountMinor === refundable(before) ? 'refund_all' : 'refund');
    requireRefundable(before, amountMinor);
    const moved = await this.#giveBack(tx, before, amountMinor);
    const refund: Refund = {
      ...{ id: newId('ref'), paymentId: id, amountMinor, reason, notes, refundedBy: `${by.kind}:${by.id}`, error: undefined, createdAt: this.#deps.clock.now() },
      ...(moved.settled ? { status: 'completed', txnId: moved.txnId, instructionId: undefined } : { status: 'processing', txnId: undefined, instructionId: moved.instructionId }),
    };
    await insertRefund(tx, refund);
    if (moved.settled) return { payment: await this.#complete(tx, before, before, refund, by), refund, moved };
    const payment: Payment = { ...before, refundingMinor: before.refundingMinor + amountMinor };
    await this.#deps.record.amend(tx, before, payment, 'refund_processing', by);
    return { payment, refund, moved };
  }

  async finishRefund(refundId: string, moved: Moved): Promise<RefundOfPayment> {
    const { wallet, database } = this.#deps;
    await wallet.finish(moved);
    const refund = (await findRefund(database, refundId))!;
    if (refund.error !== undefined) throw asMerchantsLack(refusalOf(refund.error, { refund_id: refundId, payment_id: refund.paymentId, status: 'failed' }));
    return { payment: (await findPayment(database, refund.paymentId))!, refund };
  }

  readonly takeRefundAnswer: TakeAnswer = async (tx, { instructionId, outcome }) => {
    const { record } = this.#deps;
    const found = await findRefundByInstruction(tx, instructionId);
    const before = found === undefined ? undefined : await lockPayment(tx, found.paymentId);
    if (found === undefined || before === undefined) throw new Error(`no refund belongs to the instruction ${instructionId}`);
    const refund: Refund = 'refused' in outcome ? { ...found, status: 'failed', error: { code: outcome.refused.code, message: outcome.refused.message } } : { ...found, status: 'completed', txnId: outcome.txnId };
    if (!(await settleRefund(tx, refund))) throw new Error(`the refund ${found.id} was settled before`);
    const free: Payment = { ...before, refundingMinor: before.refundingMinor - found.amountMinor };
    if ('refused' in outcome) await record.amend(tx, before, free, 'refund_failed', theWallet);
    else await this.#complete(tx, before, free, refund, theWallet);
  };

  async #complete(tx: Transaction, before: Payment, payment: Payment, refund: Refund, by: AuditRecord['actor']): Promise<Payment> {
    const { record } = this.#deps;
    const refundedMinor = payment.refundedMinor + refund.amountMinor;
    const refunded: Payment = { ...payment, status: next(payment, refundedMinor === payment.amountMinor ? 'refund_all' : 'refund'), refundedMinor };
    await record.move(tx, before, refunded, by);
    await record.announce(tx, 'refunded', refunded, refund);
    return refunded;
  }

  #movement({ id, payer, miniappId, currency, sandbox, description, roomId, txnId }: Payment, amountMinor: number) {
    const parties = sandbox ? { from: { sandbox: miniappId }, to: { sandbox: payer } } : { from: { miniapp: miniappId }, to: { user: payer } };
    return { ...parties, amountMinor, currency, code: 'refund' as const, ref: id, note: description, roomId, undoes: txnId };
  }

  async #giveBack(tx: Transaction, payment: Payment, amountMinor: number): Promise<Moved> {
    try {
      return await this.#deps.wallet.transfer(tx, this.#movement(payment, amountMinor));
    } catch (error) {
      throw asMerchantsLack(error);
    }
  }
}

export const createRefunds = (deps: RefundsDependencies): Refunds => new RefundDesk(deps);
