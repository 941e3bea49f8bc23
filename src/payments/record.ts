import type { Transaction } from '../database/index.ts';
import { advance } from '../kernel/advance.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { MiniAppId, RoomId } from '../kernel/ids.ts';
import type { RoomEvents, SharedRooms } from '../matrix/port.ts';
import type { AuditRecord, RecordAudit } from '../security/audit/index.ts';
import { paymentEvent, webhookData, type Told } from './events.ts';
import { paymentMachine, type PaymentCommand, type PaymentStatus } from './machine.ts';
import { movePayment } from './repo.ts';
import type { Payment, Refund } from './types.ts';

type Actor = AuditRecord['actor'];

export interface RecordDependencies {
  readonly clock: Clock;
  readonly events: RoomEvents;
  readonly sharedRooms: Pick<SharedRooms, 'isKnownEncrypted'>;
  readonly audit: RecordAudit;
  /** Tells the mini-app's server, part of the transaction; `url` stands for the registered address. */
  readonly tellMerchant: (tx: Transaction, message: { readonly miniappId: MiniAppId; readonly event: string; readonly data: Readonly<Record<string, unknown>>; readonly url?: string | undefined }) => Promise<unknown>;
  readonly webhookUrlOf: (tx: Transaction, miniappId: MiniAppId) => Promise<string | undefined>;
  /** After the commit: for the metrics. */
  readonly onMoved: (status: PaymentStatus) => void;
}

/** Changes of payments and everybody who hears of them, in the caller's transaction. */
export interface PaymentRecord {
  /** Writes the new state. @throws AppError INVALID_STATE_TRANSITION when somebody else has changed the payment meanwhile */
  move(tx: Transaction, before: Payment, payment: Payment, by: Actor): Promise<void>;
  /** In the room or the payer's notice room, and, but for the request and `sent`, by webhook to the mini-app's server. */
  announce(tx: Transaction, told: Told, payment: Payment, refund?: Refund): Promise<void>;
  /** Writes what is not of its state: money that is on its way back, and comes or not. @throws AppError INVALID_STATE_TRANSITION as `move` */
  amend(tx: Transaction, before: Payment, payment: Payment, action: 'refund_processing' | 'refund_failed', by: Actor): Promise<void>;
  /** Of a payment that was just made. */
  noteNew(tx: Transaction, payment: Payment, by: Actor): Promise<void>;
}

export const next = (payment: Payment, ...commands: readonly PaymentCommand[]): PaymentStatus => commands.reduce<PaymentStatus>((status, command) => advance<PaymentStatus>(paymentMachine, status, command), payment.status);

export function createPaymentRecord(deps: RecordDependencies): PaymentRecord {
  const { clock, events, sharedRooms, audit, tellMerchant, webhookUrlOf, onMoved } = deps;

  const note = async (tx: Transaction, payment: Payment, action: string, by: Actor): Promise<void> => {
    const { id, miniappId, amountMinor, currency, refundedMinor, sandbox, error, txnId } = payment;
    await audit(tx, {
      actor: by,
      action: `payment.${action}`,
      target: { kind: 'payment', id },
      details: { miniapp_id: miniappId, payer: payment.payer, amount_minor: amountMinor, currency, ...(txnId === undefined ? {} : { txn_id: txnId }), ...(refundedMinor === 0 ? {} : { refunded_minor: refundedMinor }), ...(error === undefined ? {} : { error_code: error.code }), ...(sandbox ? { sandbox } : {}) },
    });
  };
  const write = async (tx: Transaction, before: Payment, payment: Payment): Promise<void> => {
    if (!(await movePayment(tx, before, payment))) throw new AppError('INVALID_STATE_TRANSITION', 'The payment has changed meanwhile');
  };
  const isHidden = async (tx: Transaction, { roomId, roomEncrypted }: { readonly roomId: RoomId | undefined; readonly roomEncrypted: boolean }): Promise<boolean> => roomEncrypted || (roomId !== undefined && (await sharedRooms.isKnownEncrypted(tx, roomId)));

  /** To the payment's own address and to the registered one, once where they are the same. */
  const tell = async (tx: Transaction, told: Told, payment: Payment, refund: Refund | undefined): Promise<void> => {
    const { miniappId, callbackUrl } = payment;
    const message = { miniappId, event: `payment.${told}`, data: webhookData(told, payment, clock.now(), refund) };
    const registered = callbackUrl === undefined ? undefined : await webhookUrlOf(tx, miniappId);
    if (callbackUrl !== undefined && callbackUrl !== registered) await tellMerchant(tx, { ...message, url: callbackUrl });
    await tellMerchant(tx, message);
  };

  return {
    async move(tx, before, payment, by) {
      await write(tx, before, payment);
      await note(tx, payment, payment.status, by);
      tx.afterCommit(() => onMoved(payment.status));
    },
    async amend(tx, before, payment, action, by) {
      await write(tx, before, payment);
      await note(tx, payment, action, by);
    },
    async announce(tx, told, payment, refund) {
      events.emit(tx, paymentEvent(told, payment, await isHidden(tx, payment), clock.now(), refund));
      if (told !== 'request' && told !== 'sent') await tell(tx, told, payment, refund);
    },
    async noteNew(tx, payment, by) {
      await note(tx, payment, 'requested', by);
      tx.afterCommit(() => onMoved(payment.status));
    },
  };
}
