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
  /** What the ledger booked when it was confirmed. */
  readonly txnId: string | undefined;
  /** Why the payee rejected it. */
  readonly reason: string | undefined;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly settledAt: number | undefined;
}
