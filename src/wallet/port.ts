import type { Limits } from './levels.ts';
import type { Queryable, Transaction } from '../database/index.ts';
import type { MiniAppId, RoomId, UserId } from '../kernel/ids.ts';
import type { Currency, Money } from '../kernel/money.ts';

/** A user's wallet (specification section 6.3.4). */
export interface WalletRecord {
  readonly userId: UserId;
  readonly walletId: string;
  readonly currency: Currency;
  /** Verification level; 0 until the account is activated. */
  readonly level: number;
  /** The user's own daily limit, in minor units of `currency`. */
  readonly dailyLimitMinor: number | undefined;
  readonly createdAt: number;
  readonly activatedAt: number | undefined;
  readonly frozenAt: number | undefined;
}

export type UserStatus = 'pending' | 'active' | 'suspended';
export const statusOf = ({ frozenAt, activatedAt }: Pick<WalletRecord, 'frozenAt' | 'activatedAt'>): UserStatus =>
  frozenAt !== undefined ? 'suspended' : activatedAt === undefined ? 'pending' : 'active';

/**
 * Who pays or is paid. A gift holds money between the two; `outside` is where credited money comes from; `sandbox` names whose play
 * money it is: that is no end of any balance and never meets real money (decision D23); `provider` names who moves money between
 * wallets and accounts outside, and stands for that outside world: what went out less what came in.
 */
export type Party = { readonly user: UserId } | { readonly miniapp: MiniAppId } | { readonly gift: string } | { readonly sandbox: UserId | MiniAppId } | { readonly provider: string } | { readonly outside: true };

/** What a movement is for. Each has its words in the history of those whom it concerns. */
export type MovementCode = 'deposit' | 'p2p' | 'gift' | 'gift_share' | 'gift_return' | 'payment' | 'refund' | 'funding' | 'withdrawal';

export interface Movement extends Money {
  readonly from: Party;
  readonly to: Party;
  readonly code: MovementCode;
  /** Id of the transfer, gift, payment, funding or withdrawal that it belongs to. */
  readonly ref: string;
  readonly note?: string | undefined;
  readonly roomId?: RoomId | undefined;
  /** Whom the history names where `from` or `to` is no user: the giver of a gift. */
  readonly shownFrom?: UserId | undefined;
  /** What it gives back, of a refund: the transaction id of that payment. It counts no longer towards the limits of the day on which it was made. */
  readonly undoes?: string | undefined;
}

export type ReleaseOutcome = 'cancelled' | 'rejected' | 'expired';

/**
 * Money, for the features that move it: payments, transfers, gifts, refunds. What a user sends counts towards their limits and
 * needs an active wallet; what a user receives opens a wallet for them where there is none (decision D18). All that takes a
 * transaction is part of it: a refusal is thrown and must roll it back.
 */
export interface Wallet {
  find(userId: UserId, db?: Queryable): Promise<WalletRecord | undefined>;
  /** The wallet, opened as pending when there is none: only on intent to pay. */
  open(tx: Transaction, userId: UserId, currency?: Currency): Promise<WalletRecord>;
  /** Whether this user could send this much, apart from the balance. @throws AppError USER_SUSPENDED, P2P_SEND_NOT_ALLOWED, AMOUNT_EXCEEDS_LIMIT, DAILY_LIMIT_EXCEEDED, MONTHLY_LIMIT_EXCEEDED */
  requireMaySend(userId: UserId, money: Money, db?: Queryable): Promise<WalletRecord>;
  /** What may go out of it just now, in minor units; all zero before it is activated. */
  limitsOf(wallet: WalletRecord, currency: Currency, db?: Queryable): Promise<Limits>;
  /** As things stand now; when the money moves, the ledger looks again. @throws AppError INSUFFICIENT_FUNDS */
  requireFunds(userId: UserId, money: Money, db?: Queryable): Promise<void>;
  /** @throws AppError USER_SUSPENDED */
  requireMayReceive(userId: UserId, db?: Queryable): Promise<void>;
  /** At once and for good. Returns its transaction id. @throws AppError as requireMaySend, requireMayReceive, and INSUFFICIENT_FUNDS */
  transfer(tx: Transaction, movement: Movement): Promise<string>;
  /** Reserves the money until `capture` or `release`. Returns the hold's transaction id. @throws AppError as `transfer` */
  hold(tx: Transaction, movement: Movement): Promise<string>;
  /** The payee has the money. @throws AppError INVALID_STATE_TRANSITION when the hold has ended */
  capture(tx: Transaction, holdId: string): Promise<void>;
  /** The payer has the money back, and the limit that it counted towards. @throws AppError INVALID_STATE_TRANSITION when the hold has ended */
  release(tx: Transaction, holdId: string, outcome: ReleaseOutcome): Promise<void>;
  /** What can be spent, in minor units. */
  available(db: Queryable, party: Exclude<Party, { outside: true }>, currency: Currency): Promise<number>;
}
