import type { AppError } from '../kernel/errors.ts';
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

/** A proof as a wallet service knows it. */
export interface MovementProof {
  readonly proofId: string;
  /** What the user confirmed, where the movement itself can't say it: of a gift. */
  readonly proven?: { readonly id: string; readonly recipient: string };
}

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
  /** Where a wallet service judged it: the user's proof, which it spends with this movement. */
  readonly proof?: MovementProof | undefined;
}

export type ReleaseOutcome = 'cancelled' | 'rejected' | 'expired';

/**
 * What became of an order to move money. The embedded ledger has moved it, in the caller's transaction. With a wallet service
 * there is an instruction so far, written in the caller's transaction: what comes of it is told to the feature later
 * (`WalletAnswer`), by the code of the movement.
 */
export type Moved = { readonly settled: true; readonly txnId: string } | { readonly settled: false; readonly instructionId: string };

/** The transaction id of what has moved already: for what never leaves the embedded ledger. Throws for everything else. */
export function settledId(moved: Moved): string {
  if (!moved.settled) throw new Error(`${moved.instructionId} is in the hands of a wallet service`);
  return moved.txnId;
}

/** What the wallet service made of an instruction; part of the transaction that takes the answer. */
export interface WalletAnswer {
  readonly instructionId: string;
  readonly kind: 'transfer' | 'hold' | 'capture' | 'release';
  readonly code: MovementCode;
  /** Of the movement: the transfer, gift or payment. */
  readonly ref: string;
  /** The money has moved, under this transaction id; or the wallet refused it. */
  readonly outcome: { readonly txnId: string } | { readonly refused: AppError };
}

/** Takes the answers to the instructions of one feature, each once. */
export type TakeAnswer = (tx: Transaction, answer: WalletAnswer) => Promise<void>;

/** What a wallet service was asked beforehand. */
export interface Foresight {
  /** Whether it wants that the recipient accepts; undefined where that is our own policy. */
  readonly acceptanceRequired: boolean | undefined;
}

/**
 * Money, for the features that move it: payments, transfers, gifts, refunds. What a user sends counts towards their limits and
 * needs an active wallet; what a user receives opens a wallet for them where there is none (decision D18). All that takes a
 * transaction is part of it: a refusal is thrown and must roll it back.
 */
export interface Wallet {
  find(userId: UserId, db?: Queryable): Promise<WalletRecord | undefined>;
  /** Of those who have one. Outside of a transaction. @throws AppError SERVICE_UNAVAILABLE */
  findAll(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, WalletRecord>>;
  /** The wallet, opened as pending when there is none: only on intent to pay. */
  open(tx: Transaction, userId: UserId, currency?: Currency): Promise<WalletRecord>;
  /**
   * Asks a wallet service, outside of a transaction, what the checks below can't: they see what it last said. The embedded ledger
   * has nothing to ask. @throws AppError as requireMaySend, requireFunds, requireMayReceive; SERVICE_UNAVAILABLE
   */
  lookAhead(movement: Pick<Movement, 'from' | 'to' | 'amountMinor' | 'currency'>): Promise<Foresight>;
  /** Whether this user could send this much, apart from the balance. @throws AppError USER_SUSPENDED, P2P_SEND_NOT_ALLOWED, AMOUNT_EXCEEDS_LIMIT, DAILY_LIMIT_EXCEEDED, MONTHLY_LIMIT_EXCEEDED */
  requireMaySend(userId: UserId, money: Money, db?: Queryable): Promise<WalletRecord>;
  /** What may go out of it just now, in minor units; all zero before it is activated. */
  limitsOf(wallet: WalletRecord, currency: Currency, db?: Queryable): Promise<Limits>;
  /** As things stand now; when the money moves, the ledger looks again. @throws AppError INSUFFICIENT_FUNDS */
  requireFunds(userId: UserId, money: Money, db?: Queryable): Promise<void>;
  /** @throws AppError USER_SUSPENDED */
  requireMayReceive(userId: UserId, db?: Queryable): Promise<void>;
  /** At once and for good. @throws AppError as requireMaySend, requireMayReceive, and INSUFFICIENT_FUNDS */
  transfer(tx: Transaction, movement: Movement): Promise<Moved>;
  /** Reserves the money until `capture` or `release`. @throws AppError as `transfer` */
  hold(tx: Transaction, movement: Movement): Promise<Moved>;
  /** The payee has the money. `holdId`: the transaction id of the hold. @throws AppError INVALID_STATE_TRANSITION when the hold has ended */
  capture(tx: Transaction, holdId: string): Promise<Moved>;
  /** The payer has the money back, and the limit that it counted towards. @throws AppError INVALID_STATE_TRANSITION when the hold has ended */
  release(tx: Transaction, holdId: string, outcome: ReleaseOutcome): Promise<Moved>;
  /**
   * After the commit: has the instructions carried out now, and waits for their answers for some seconds. It never throws: a job does
   * what could not be done. Afterwards the caller reads again where its own thing stands.
   */
  finish(...moved: readonly Moved[]): Promise<void>;
  /** What can be spent, in minor units. Outside of a transaction. */
  available(party: Exclude<Party, { outside: true }>, currency: Currency): Promise<number>;
}
