import type { Database, Transaction } from '../database/index.ts';
import type { JobQueue } from '../jobs/index.ts';
import { advance } from '../kernel/advance.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId, type RoomId, type UserId } from '../kernel/ids.ts';
import { exponentOf, type Money } from '../kernel/money.ts';
import type { RoomEvents, SharedRooms } from '../matrix/port.ts';
import type { Notices } from '../notices/index.ts';
import { mfaRequired, requireProof, settledId, type ActivationNotice, type ReleaseOutcome, type TermsProof, type Wallet } from '../wallet/index.ts';
import { statusEvents, transferEvents, transferNotices } from './events.ts';
import { expiryJob, expiryJobKind } from './jobs.ts';
import { transferMachine, type TransferCommand, type TransferStatus } from './machine.ts';
import { findTransfer, insertTransfer, lockTransfer, moveTransfer } from './repo.ts';
import type { Transfer } from './types.ts';

export interface TransferPolicy {
  readonly acceptance: 'never' | 'always' | 'above';
  /** Whole units; with `above`. */
  readonly acceptanceAbove: number;
  readonly confirmMs: number;
  readonly acceptanceMs: number;
  /** Announce under the specification's second name too (decision D19). */
  readonly secondEvent: boolean;
}

export interface TransfersDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly events: RoomEvents;
  readonly sharedRooms: SharedRooms;
  readonly wallet: Wallet;
  readonly proofs: TermsProof;
  readonly activation: ActivationNotice;
  /** Whether somebody of this name can have a wallet here at all. */
  readonly mayHaveWallet: (userId: UserId) => boolean;
  readonly notices: Pick<Notices, 'publish'>;
  readonly policy: TransferPolicy;
}

export interface TransferRequest extends Money {
  readonly payer: UserId;
  readonly payee: UserId;
  readonly note: string | undefined;
  readonly roomId: RoomId | undefined;
}

/** What was asked before a transfer is made: whether the two meet, and what the payer can confirm with. */
export interface Preparation {
  readonly roomEncrypted: boolean;
  readonly methods: readonly string[];
}

export interface Transfers {
  /** Outside of a transaction. @throws AppError INVALID_REQUEST, ROOM_NOT_ALLOWED, SERVICE_UNAVAILABLE */
  prepare(request: TransferRequest): Promise<Preparation>;
  /** Writes the terms; no money moves. @throws AppError as Wallet.requireMaySend, USER_SUSPENDED, INSUFFICIENT_FUNDS */
  initiate(tx: Transaction, request: TransferRequest, preparation: Preparation): Promise<Transfer>;
  /**
   * Moves the money, or holds it until the payee accepts.
   * @throws AppError TRANSFER_NOT_FOUND, TRANSFER_EXPIRED, INVALID_STATE_TRANSITION, MFA_REQUIRED, what the proof and the wallet throw
   */
  confirm(payer: UserId, id: string, authProof: Readonly<Record<string, unknown>> | undefined): Promise<Transfer>;
  /** @throws AppError TRANSFER_NOT_FOUND, TRANSFER_EXPIRED, INVALID_STATE_TRANSITION, USER_SUSPENDED */
  accept(payee: UserId, id: string): Promise<Transfer>;
  /** @throws AppError TRANSFER_NOT_FOUND, TRANSFER_EXPIRED, INVALID_STATE_TRANSITION */
  reject(payee: UserId, id: string, reason: string | undefined): Promise<Transfer>;
  /** By the payer, as long as the payee does not have the money. @throws AppError as `reject` */
  cancel(payer: UserId, id: string): Promise<Transfer>;
  /** For either of the two. @throws AppError TRANSFER_NOT_FOUND for everybody else */
  get(userId: UserId, id: string): Promise<Transfer>;
  /** Id of the Matrix event that announced it where this user sees it, once it is there. */
  findEventId(userId: UserId, transfer: Transfer): Promise<string | undefined>;
  /** Part of a job: ends a transfer whose time is over, and does nothing to any other. */
  expire(tx: Transaction, id: string): Promise<void>;
}

type Role = 'payer' | 'payee';
type FinalStatus = Extract<TransferStatus, 'completed' | ReleaseOutcome>;

const notFound = (): AppError => new AppError('TRANSFER_NOT_FOUND', 'No such transfer');
const isOver = ({ expiresAt }: Transfer, now: number): boolean => expiresAt !== undefined && now >= expiresAt;

/** Whoever has no part in it learns nothing, not even that it exists (decision D21). */
function requireRole(transfer: Transfer | undefined, userId: UserId, role: Role): Transfer {
  if (transfer?.[role] !== userId) throw notFound();
  return transfer;
}

/** The state that `command` leads to. @throws AppError INVALID_STATE_TRANSITION, TRANSFER_EXPIRED */
function next(transfer: Transfer, command: TransferCommand, now: number): TransferStatus {
  const status = advance<TransferStatus>(transferMachine, transfer.status, command);
  if (command !== 'expire' && isOver(transfer, now)) throw new AppError('TRANSFER_EXPIRED', 'The time for this transfer is over');
  return status;
}

class TransferDesk implements Transfers {
  readonly #deps: TransfersDependencies;
  constructor(deps: TransfersDependencies) {
    this.#deps = deps;
  }

  async prepare({ payer, payee, roomId }: TransferRequest): Promise<Preparation> {
    const { sharedRooms, proofs, mayHaveWallet } = this.#deps;
    if (payer === payee) throw invalidField('recipient', 'is you');
    if (!mayHaveWallet(payee)) throw invalidField('recipient', 'is no user of this homeserver who can have a wallet');
    const { isEncrypted } = await sharedRooms.requireShared([payer, payee], roomId);
    return { roomEncrypted: roomId !== undefined && isEncrypted, methods: await proofs.methodsOf(payer) };
  }

  async initiate(tx: Transaction, request: TransferRequest, { roomEncrypted }: Preparation): Promise<Transfer> {
    const { wallet, queue, clock, policy } = this.#deps;
    await wallet.requireMaySend(request.payer, request, tx);
    await wallet.requireMayReceive(request.payee, tx);
    await wallet.requireFunds(request.payer, request, tx);
    const now = clock.now();
    const transfer: Transfer = { ...request, id: newId('p2p'), roomEncrypted, status: 'pending_authorization', acceptanceRequired: this.#needsAcceptance(request), txnId: undefined, reason: undefined, createdAt: now, expiresAt: now + policy.confirmMs, settledAt: undefined };
    await insertTransfer(tx, transfer);
    this.#tell(tx, transfer);
    queue.enqueue(tx, expiryJob(transfer));
    return transfer;
  }

  async confirm(payer: UserId, id: string, authProof: Readonly<Record<string, unknown>> | undefined): Promise<Transfer> {
    const { database, clock, proofs } = this.#deps;
    const offered = requireRole(await findTransfer(database, id), payer, 'payer');
    const command = (transfer: Transfer): TransferCommand => (transfer.acceptanceRequired ? 'await_acceptance' : 'complete');
    next(offered, command(offered), clock.now());
    if (authProof === undefined) throw mfaRequired(await requireProof(proofs, payer), { transfer_id: id, status: offered.status });
    const proof = await proofs.prove(payer, { id, amountMinor: offered.amountMinor, currency: offered.currency, recipient: offered.payee }, authProof);
    return database.inTransaction(async (tx) => {
      const transfer = requireRole(await lockTransfer(tx, id), payer, 'payer');
      const status = next(transfer, command(transfer), clock.now());
      await proof.spend(tx);
      return this.#settleTerms(tx, transfer, status);
    });
  }

  accept(payee: UserId, id: string): Promise<Transfer> {
    const { database, wallet } = this.#deps;
    return database.inTransaction(async (tx) => {
      const transfer = requireRole(await lockTransfer(tx, id), payee, 'payee');
      await wallet.requireMayReceive(payee, tx);
      return this.#end(tx, transfer, 'accept');
    });
  }

  reject(payee: UserId, id: string, reason: string | undefined): Promise<Transfer> {
    return this.#deps.database.inTransaction(async (tx) => this.#end(tx, requireRole(await lockTransfer(tx, id), payee, 'payee'), 'reject', reason));
  }

  cancel(payer: UserId, id: string): Promise<Transfer> {
    return this.#deps.database.inTransaction(async (tx) => this.#end(tx, requireRole(await lockTransfer(tx, id), payer, 'payer'), 'cancel'));
  }

  async get(userId: UserId, id: string): Promise<Transfer> {
    const transfer = await findTransfer(this.#deps.database, id);
    return requireRole(transfer, userId, transfer?.payee === userId ? 'payee' : 'payer');
  }

  findEventId(userId: UserId, transfer: Transfer): Promise<string | undefined> {
    const { database, events } = this.#deps;
    return events.findEventId(database, transfer.roomId === undefined ? { noticesOf: userId } : { room: transfer.roomId }, transfer.id);
  }

  async expire(tx: Transaction, id: string): Promise<void> {
    const transfer = await lockTransfer(tx, id);
    // Settled meanwhile, or confirmed and given a new time: its own job comes then.
    if (transfer === undefined || !isOver(transfer, this.#deps.clock.now())) return;
    await this.#end(tx, transfer, 'expire');
  }

  #needsAcceptance({ amountMinor, currency }: Money): boolean {
    const { acceptance, acceptanceAbove } = this.#deps.policy;
    return acceptance === 'always' || (acceptance === 'above' && amountMinor > acceptanceAbove * 10 ** exponentOf(currency));
  }

  /** The proof is spent: the money goes over or is held, and both hear of it. */
  async #settleTerms(tx: Transaction, transfer: Transfer, status: TransferStatus): Promise<Transfer> {
    const { wallet, events, queue, clock, policy, activation, sharedRooms } = this.#deps;
    const { payer, payee, amountMinor, currency, note, roomId } = transfer;
    const now = clock.now();
    const movement = { from: { user: payer }, to: { user: payee }, amountMinor, currency, code: 'p2p' as const, ref: transfer.id, note, roomId };
    const waits = status === 'pending_recipient_acceptance';
    const txnId = settledId(await (waits ? wallet.hold(tx, movement) : wallet.transfer(tx, movement)));
    const confirmed: Transfer = { ...transfer, status, txnId, expiresAt: waits ? now + policy.acceptanceMs : undefined, settledAt: waits ? undefined : now };
    await this.#save(tx, transfer.status, confirmed);
    const hidden = transfer.roomEncrypted || (roomId !== undefined && (await sharedRooms.isKnownEncrypted(tx, roomId)));
    for (const event of transferEvents(confirmed, hidden, now, ['m.tween.wallet.p2p', ...(policy.secondEvent ? ['m.tween.p2p.transfer'] : [])])) events.emit(tx, event);
    await activation.send(tx, { from: payer, to: payee, amountMinor, currency, roomId, hidden });
    if (waits) queue.enqueue(tx, expiryJob(confirmed));
    return confirmed;
  }

  /** Ends what was not completed at its confirmation. What was announced as waiting is announced as ended; what was not, nobody heard of. */
  async #end(tx: Transaction, transfer: Transfer, command: TransferCommand, reason?: string): Promise<Transfer> {
    const { wallet, events, clock } = this.#deps;
    const now = clock.now();
    const status = next(transfer, command, now) as FinalStatus;
    const ended = { ...transfer, status, reason, expiresAt: undefined, settledAt: now };
    await this.#save(tx, transfer.status, ended);
    if (transfer.txnId === undefined) return ended;
    if (status === 'completed') await wallet.capture(tx, transfer.txnId);
    else await wallet.release(tx, transfer.txnId, status);
    for (const event of statusEvents(ended, now)) events.emit(tx, event);
    return ended;
  }

  async #save(tx: Transaction, from: TransferStatus, transfer: Transfer): Promise<void> {
    if (!(await moveTransfer(tx, from, transfer))) throw new AppError('INVALID_STATE_TRANSITION', 'The transfer has changed meanwhile');
    this.#tell(tx, transfer);
  }

  /** The devices of the two, in the transaction of the change. */
  #tell(tx: Transaction, transfer: Transfer): void {
    for (const notice of transferNotices(transfer)) this.#deps.notices.publish(tx, notice);
  }
}

export const createTransfers = (deps: TransfersDependencies): Transfers => new TransferDesk(deps);

export const transferJobs = (transfers: Transfers) => ({ [expiryJobKind]: { run: ({ body }: { readonly body: unknown }) => Promise.resolve((tx: Transaction) => transfers.expire(tx, (body as { transferId: string }).transferId)) } });
