import type { RoomId, UserId } from '../kernel/ids.ts';
import type { Money } from '../kernel/money.ts';
import type { TransferStatus } from './machine.ts';

/** Money from one person to another. Its terms never change after it was made. */
export interface Transfer extends Money {
  readonly id: string;
  readonly payer: UserId;
  readonly payee: UserId;
  readonly note: string | undefined;
  readonly roomId: RoomId | undefined;
  readonly roomEncrypted: boolean;
  readonly status: TransferStatus;
  readonly acceptanceRequired: boolean;
  /** What the wallet booked when it was confirmed. */
  readonly txnId: string | undefined;
  /** Its money is in the hands of a wallet service, not in our ledger. */
  readonly byService: boolean;
  /** While `processing`: what it becomes once the wallet service has done it. */
  readonly nextStatus: TransferStatus | undefined;
  /** Why the wallet service refused it. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** Why the payee rejected it. */
  readonly reason: string | undefined;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly settledAt: number | undefined;
}
