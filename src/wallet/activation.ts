import type { Transaction } from '../database/index.ts';
import type { RoomId, UserId } from '../kernel/ids.ts';
import { amountText, eventAmounts, type Money } from '../kernel/money.ts';
import type { Place, RoomEvents } from '../matrix/port.ts';
import { statusOf, type Wallet } from './port.ts';

export interface Receipt extends Money {
  readonly from: UserId;
  readonly to: UserId;
  /** The room that the payer's request named. */
  readonly roomId: RoomId | undefined;
  /** No amounts in that room (decision D18). */
  readonly hidden: boolean;
}

/** Tells somebody who was sent money and has not activated the account how to get at it (specification section 6.3.10). */
export interface ActivationNotice {
  /** Does nothing for whoever is active. */
  send(tx: Transaction, receipt: Receipt): Promise<void>;
}

export function createActivationNotice({ wallet, events, activationUrl }: { readonly wallet: Wallet; readonly events: RoomEvents; readonly activationUrl: (walletId: string) => string }): ActivationNotice {
  return {
    async send(tx, receipt) {
      const payee = await wallet.find(receipt.to, tx);
      if (payee === undefined || statusOf(payee) !== 'pending') return;
      const { amountMinor, currency } = receipt;
      const tell = (place: Place, hidden: boolean): void => {
        const content = {
          msgtype: 'm.tween.account_activation',
          body: hidden ? 'You received money. Activate your account to access your funds.' : `You received ${amountText(amountMinor, currency)} ${currency}. Activate your account to access your funds.`,
          sender: receipt.from,
          recipient: receipt.to,
          wallet_id: payee.walletId,
          ...(hidden ? {} : eventAmounts(receipt)),
          activation_url: activationUrl(payee.walletId),
        };
        events.emit(tx, { place, speaker: 'bot', type: 'm.tween.account.activate', content });
      };
      tell({ noticesOf: receipt.to }, false);
      if (receipt.roomId !== undefined) tell({ room: receipt.roomId }, receipt.hidden);
    },
  };
}
