import type { PaymentRequestContent } from '../generated/events.ts';
import { isoTime } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import { eventAmounts, readAmount, readCurrency } from '../kernel/money.ts';
import type { InboundEvent, RoomCommand } from '../matrix/port.ts';
import type { MiniApps } from '../miniapps/index.ts';
import { readUserId } from '../wallet/index.ts';
import type { Payments } from './payments.ts';
import type { PaymentTermsOf } from './types.ts';

export interface BotRequestsDependencies {
  readonly payments: Pick<Payments, 'prepare' | 'create'>;
  readonly miniapps: Pick<MiniApps, 'getActive'>;
  /** The Matrix user that the app has registered as its bot. */
  readonly botOf: (miniappId: string) => Promise<UserId | undefined>;
}

const notTheBot = (): AppError => new AppError('INSUFFICIENT_PERMISSIONS', 'Only the Matrix user that the mini-app has registered as its bot can ask for payments');
const notGranted = (): AppError => new AppError('INSUFFICIENT_PERMISSIONS', 'The mini-app does not have the scope wallet:request');

/** Matrix events hold no fractions: an integer, a decimal string, or minor units (decision D19). @throws AppError INVALID_REQUEST, INVALID_AMOUNT */
function readTerms({ content: raw, roomId }: InboundEvent): PaymentTermsOf {
  const { payer, payment } = raw as unknown as PaymentRequestContent;
  if (payer === undefined) throw invalidField('payer.user_id', 'is required: who is asked to pay');
  const currency = readCurrency(payment.currency, 'payment.currency');
  const { amount, amount_minor: amountMinor } = payment;
  if ((amount === undefined) === (amountMinor === undefined)) throw invalidField('payment.amount', 'is required, or amount_minor in its place');
  return {
    payer: readUserId(payer.user_id, 'payer.user_id'),
    amountMinor: amountMinor ?? readAmount(String(amount), currency, 'payment.amount'),
    currency,
    description: payment.description,
    merchantOrderId: payment.merchant_order_id,
    items: [],
    callbackUrl: undefined,
    roomId,
  };
}

/**
 * `m.tween.payment.request` in a room (decision D11): from the app's registered bot it becomes a payment that the named payer can
 * authorize. All later events of the payment refer to the bot's own.
 */
export function paymentRequestCommand({ payments, miniapps, botOf }: BotRequestsDependencies): RoomCommand {
  return {
    type: 'm.tween.payment.request',
    async handle(event) {
      const { miniapp_id: miniappId } = event.content as unknown as PaymentRequestContent;
      // Nobody else learns whether there is such an app.
      if ((await botOf(miniappId)) !== event.sender) throw notTheBot();
      const app = await miniapps.getActive(miniappId);
      if (!app.scopes.includes('wallet:request')) throw notGranted();
      const terms = readTerms(event);
      // Whether the payer is in the room is asked there; whether the bot is, was asked before.
      const preparation = await payments.prepare(miniappId, terms);
      return async (tx, reply) => {
        const payment = await payments.create(tx, terms, preparation, { kind: 'bot', id: event.sender }, event.eventId);
        reply('m.tween.payment.request.accepted', {
          payment_id: payment.id,
          miniapp_id: miniappId,
          status: payment.status,
          payer: { user_id: payment.payer },
          ...(payment.roomEncrypted ? {} : eventAmounts(payment)),
          expires_at: isoTime(payment.expiresAt),
        });
      };
    },
  };
}
