import type { RoomId, UserId } from '../kernel/ids.ts';
import type { Money } from '../kernel/money.ts';
import type { GiftStatus } from './machine.ts';

/** Money that lies in escrow until it is opened. */
export interface Gift extends Money {
  readonly id: string;
  readonly giver: UserId;
  readonly type: 'individual' | 'group';
  /** Of an individual gift. */
  readonly recipient: UserId | undefined;
  readonly roomId: RoomId | undefined;
  readonly roomEncrypted: boolean;
  readonly count: number;
  readonly opened: number;
  readonly message: string | undefined;
  readonly status: GiftStatus;
  /** Why the wallet service refused it. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** How long it can be opened once it is active. */
  readonly lifetimeMs: number;
  readonly createdAt: number;
  /** When it can no longer be confirmed, or opened. */
  readonly expiresAt: number;
}

/** Drawn when the gift is created, and taken in order. */
export interface Share {
  readonly n: number;
  readonly amountMinor: number;
}

export interface OpenedShare extends Share {
  readonly openedBy: UserId;
  readonly openedAt: number;
}
