import type { MiniAppId, RoomId, UserId } from '../kernel/ids.ts';
import type { Money } from '../kernel/money.ts';
import type { PaymentStatus } from './machine.ts';

/** One line of an order. */
export interface Item {
  readonly itemId: string | undefined;
  readonly name: string;
  readonly quantity: number;
  readonly unitPriceMinor: number;
}

/** What is to be paid. Never changes after the payment was made. */
export interface PaymentTermsOf extends Money {
  readonly payer: UserId;
  readonly description: string | undefined;
  readonly merchantOrderId: string | undefined;
  readonly items: readonly Item[];
  readonly callbackUrl: string | undefined;
  readonly roomId: RoomId | undefined;
}

/** Money from a user to a mini-app. Times in milliseconds since the epoch. */
export interface Payment extends PaymentTermsOf {
  readonly id: string;
  readonly miniappId: MiniAppId;
  /** The mini-app's name when the payment was asked for. */
  readonly merchantName: string;
  readonly roomEncrypted: boolean;
  /** No real money moves (decision D23). */
  readonly sandbox: boolean;
  readonly status: PaymentStatus;
  /** A device that was too new to confirm alone what it had signed. */
  readonly excludedDevice: string | undefined;
  /** What the wallet booked. */
  readonly txnId: string | undefined;
  /** Its money is in the hands of a wallet service, not in our ledger. */
  readonly byService: boolean;
  readonly refundedMinor: number;
  /** On its way back: the wallet service has not answered yet. */
  readonly refundingMinor: number;
  readonly error: { readonly code: string; readonly message: string } | undefined;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly completedAt: number | undefined;
  /** When it ended without money. */
  readonly endedAt: number | undefined;
}

/** Money that went back. */
export interface Refund {
  readonly id: string;
  readonly paymentId: string;
  readonly amountMinor: number;
  readonly reason: string | undefined;
  readonly notes: string | undefined;
  readonly refundedBy: string;
  /** `processing` while the wallet service has not answered. */
  readonly status: 'processing' | 'completed' | 'failed';
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** Undefined unless it is completed. */
  readonly txnId: string | undefined;
  /** What the wallet service was told; undefined with the embedded ledger. */
  readonly instructionId: string | undefined;
  readonly createdAt: number;
}

/** How a mini-app's wallet is named: it is opened by the first payment, and there is one for each app. */
export const merchantWalletId = (miniappId: MiniAppId): string => `tw_${miniappId}`;
