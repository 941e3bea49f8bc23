import type { Database, Transaction } from '../database/index.ts';
import type { JobQueue } from '../jobs/index.ts';
import { advance } from '../kernel/advance.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId, type RoomId, type UserId } from '../kernel/ids.ts';
import { exponentOf, type Money } from '../kernel/money.ts';
import type { RoomEvents, SharedRooms } from '../matrix/port.ts';
import type { Notices } from '../notices/index.ts';
import type { AuditRecord, RecordAudit } from '../security/audit/index.ts';
import { mfaRequired, refusalOf, requireProof, type ActivationNotice, type Moved, type MovementProof, type ReleaseOutcome, type TakeAnswer, type TermsProof, type Wallet } from '../wallet/index.ts';
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
  readonly audit: RecordAudit;
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
  /** As a wallet service wants it; undefined: our own policy says. */
  readonly acceptanceRequired: boolean | undefined;
}

export interface Transfers {
  /** Outside of a transaction. @throws AppError INVALID_REQUEST, ROOM_NOT_ALLOWED, SERVICE_UNAVAILABLE */
  prepare(request: TransferRequest): Promise<Preparation>;
  /** Writes the terms; no money moves. @throws AppError as Wallet.requireMaySend, USER_SUSPENDED, INSUFFICIENT_FUNDS */
  initiate(tx: Transaction, request: TransferRequest, preparation: Preparation): Promise<Transfer>;
  /**
   * Moves the money, or holds it until the payee accepts.
   * @throws AppError TRANSFER_NOT_FOUND, TRANSFER_EXPIRED, RECIPIENT_ACCEPTANCE_REQUIRED, INVALID_STATE_TRANSITION, MFA_REQUIRED, what the proof and the wallet throw
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
  /** The wallet service's answer. */
  readonly takeAnswer: TakeAnswer;
}

/** What a transaction has begun: with a wallet service its end is still to come. */
interface Begun {
  readonly transfer: Transfer;
  readonly moved: Moved | undefined;
}

type Role = 'payer' | 'payee';
type FinalStatus = Extract<TransferStatus, 'completed' | ReleaseOutcome>;

/** The answer of the wallet service that leads to what was meant. */
const settledBy: Readonly<Partial<Record<TransferStatus, TransferCommand>>> = { completed: 'settle_complete', pending_recipient_acceptance: 'settle_await_acceptance', rejected: 'settle_reject', cancelled: 'settle_cancel', expired: 'settle_expire' };

const notFound = (neverWas: boolean): AppError => new AppError('TRANSFER_NOT_FOUND', 'No such transfer', { neverWas });
const isOver = ({ expiresAt }: Transfer, now: number): boolean => expiresAt !== undefined && now >= expiresAt;

/** Whoever has no part in it learns nothing, not even that it exists (decision D21). */
function requireRole(transfer: Transfer | undefined, userId: UserId, role: Role): Transfer {
  if (transfer?.[role] !== userId) throw notFound(transfer === undefined);
  return transfer;
}

const expired = (): AppError => new AppError('TRANSFER_EXPIRED', 'The time for this transfer is over');

/** The state that `command` leads to. @throws AppError INVALID_STATE_TRANSITION, TRANSFER_EXPIRED */
function next(transfer: Transfer, command: TransferCommand, now: number): TransferStatus {
  // Whoever is too late is told the same before and after its end was recorded.
  if (command !== 'expire' && transfer.status === 'expired') throw expired();
  const status = advance<TransferStatus>(transferMachine, transfer.status, command);
  if (command !== 'expire' && isOver(transfer, now)) throw expired();
  return status;
}

/** What its confirmation leads to. @throws AppError as `next`, RECIPIENT_ACCEPTANCE_REQUIRED when it was confirmed and is the payee's to accept */
function onceConfirmed(transfer: Transfer, now: number): TransferStatus {
  if (transfer.status === 'pending_recipient_acceptance' && !isOver(transfer, now)) throw new AppError('RECIPIENT_ACCEPTANCE_REQUIRED', 'The recipient has to accept this transfer now');
  return next(transfer, transfer.acceptanceRequired ? 'await_acceptance' : 'complete', now);
}

class TransferDesk implements Transfers {
  readonly #deps: TransfersDependencies;
  constructor(deps: TransfersDependencies) {
    this.#deps = deps;
  }

  async prepare({ payer, payee, roomId, amountMinor, currency }: TransferRequest): Promise<Preparation> {
    const { sharedRooms, proofs, mayHaveWallet, wallet } = this.#deps;
    if (payer === payee) throw invalidField('recipient', 'is you');
    if (!mayHaveWallet(payee)) throw invalidField('recipient', 'is no user of this homeserver who can have a wallet');
    const { isEncrypted } = await sharedRooms.requireShared([payer, payee], roomId);
    const { acceptanceRequired } = await wallet.lookAhead({ from: { user: payer }, to: { user: payee }, amountMinor, currency });
    return { roomEncrypted: roomId !== undefined && isEncrypted, methods: await proofs.methodsOf(payer), acceptanceRequired };
  }

  async initiate(tx: Transaction, request: TransferRequest, { roomEncrypted, acceptanceRequired }: Preparation): Promise<Transfer> {
    const { wallet, queue, clock, policy } = this.#deps;
    await wallet.requireMaySend(request.payer, request, tx);
    await wallet.requireMayReceive(request.payee, tx);
    await wallet.requireFunds(request.payer, request, tx);
    const now = clock.now();
    const transfer: Transfer = { ...request, id: newId('p2p'), roomEncrypted, status: 'pending_authorization', acceptanceRequired: acceptanceRequired ?? this.#needsAcceptance(request), txnId: undefined, byService: false, nextStatus: undefined, error: undefined, reason: undefined, createdAt: now, expiresAt: now + policy.confirmMs, settledAt: undefined };
    await insertTransfer(tx, transfer);
    this.#tell(tx, transfer);
    queue.enqueue(tx, expiryJob(transfer));
    return transfer;
  }

  async confirm(payer: UserId, id: string, authProof: Readonly<Record<string, unknown>> | undefined): Promise<Transfer> {
    const { database, clock, proofs, wallet } = this.#deps;
    const offered = requireRole(await findTransfer(database, id), payer, 'payer');
    onceConfirmed(offered, clock.now());
    if (authProof === undefined) throw mfaRequired(await requireProof(proofs, payer), { transfer_id: id, status: offered.status });
    const proof = await proofs.prove(payer, { id, amountMinor: offered.amountMinor, currency: offered.currency, recipient: offered.payee }, authProof);
    await wallet.lookAhead({ from: { user: payer }, to: { user: offered.payee }, amountMinor: offered.amountMinor, currency: offered.currency });
    return this.#finish(
      await database.inTransaction(async (tx) => {
        const transfer = requireRole(await lockTransfer(tx, id), payer, 'payer');
        const status = onceConfirmed(transfer, clock.now());
        await proof.spend(tx);
        return this.#settleTerms(tx, transfer, status, proof.ticket);
      }),
    );
  }

  async accept(payee: UserId, id: string): Promise<Transfer> {
    const { database, wallet } = this.#deps;
    return this.#finish(
      await database.inTransaction(async (tx) => {
        const transfer = requireRole(await lockTransfer(tx, id), payee, 'payee');
        await wallet.requireMayReceive(payee, tx);
        return this.#end(tx, transfer, 'accept');
      }),
    );
  }

  async reject(payee: UserId, id: string, reason: string | undefined): Promise<Transfer> {
    return this.#finish(await this.#deps.database.inTransaction(async (tx) => this.#end(tx, requireRole(await lockTransfer(tx, id), payee, 'payee'), 'reject', reason)));
  }

  async cancel(payer: UserId, id: string): Promise<Transfer> {
    return this.#finish(await this.#deps.database.inTransaction(async (tx) => this.#end(tx, requireRole(await lockTransfer(tx, id), payer, 'payer'), 'cancel')));
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

  readonly takeAnswer: TakeAnswer = async (tx, { kind, ref, outcome }) => {
    const transfer = await lockTransfer(tx, ref);
    if (transfer?.status !== 'processing' || transfer.nextStatus === undefined) throw new Error(`the wallet answers to the transfer ${ref}, which does not wait for it`);
    const now = this.#deps.clock.now();
    if ('refused' in outcome) {
      const { code, message } = outcome.refused;
      const failed: Transfer = { ...transfer, status: next(transfer, 'fail', now), nextStatus: undefined, error: { code, message }, settledAt: now };
      await this.#save(tx, transfer.status, failed);
      return this.#note(tx, failed, { kind: 'system', id: 'wallet' });
    }
    const status = next(transfer, settledBy[transfer.nextStatus]!, now);
    if (kind === 'capture' || kind === 'release') await this.#conclude(tx, transfer, { ...transfer, status: status as FinalStatus, nextStatus: undefined, settledAt: now });
    else await this.#confirmed(tx, transfer, { ...transfer, status, nextStatus: undefined, txnId: outcome.txnId });
  };

  /** The proof is spent: the money goes over or is held, and both hear of it; or a wallet service is told to do it. */
  async #settleTerms(tx: Transaction, transfer: Transfer, status: TransferStatus, proof: MovementProof | undefined): Promise<Begun> {
    const { wallet, clock } = this.#deps;
    const { payer, payee, amountMinor, currency, note, roomId } = transfer;
    const movement = { from: { user: payer }, to: { user: payee }, amountMinor, currency, code: 'p2p' as const, ref: transfer.id, note, roomId, proof };
    const moved = await (status === 'pending_recipient_acceptance' ? wallet.hold(tx, movement) : wallet.transfer(tx, movement));
    if (moved.settled) return { transfer: await this.#confirmed(tx, transfer, { ...transfer, status, txnId: moved.txnId }), moved };
    const processing: Transfer = { ...transfer, status: next(transfer, 'process', clock.now()), nextStatus: status, byService: true, expiresAt: undefined };
    await this.#save(tx, transfer.status, processing);
    return { transfer: processing, moved };
  }

  /** The money went over, or is held: now it is announced. */
  async #confirmed(tx: Transaction, before: Transfer, transfer: Transfer): Promise<Transfer> {
    const { events, queue, clock, policy, activation, sharedRooms } = this.#deps;
    const { payer, payee, amountMinor, currency, roomId, status } = transfer;
    const now = clock.now();
    const waits = status === 'pending_recipient_acceptance';
    const settled: Transfer = { ...transfer, expiresAt: waits ? now + policy.acceptanceMs : undefined, settledAt: waits ? undefined : now };
    await this.#save(tx, before.status, settled);
    const hidden = transfer.roomEncrypted || (roomId !== undefined && (await sharedRooms.isKnownEncrypted(tx, roomId)));
    for (const event of transferEvents(settled, hidden, now, ['m.tween.wallet.p2p', ...(policy.secondEvent ? ['m.tween.p2p.transfer'] : [])])) events.emit(tx, event);
    await activation.send(tx, { from: payer, to: payee, amountMinor, currency, roomId, hidden });
    await this.#note(tx, settled, { kind: 'user', id: payer });
    if (waits) queue.enqueue(tx, expiryJob(settled));
    return settled;
  }

  /** Ends what was not completed at its confirmation. */
  async #end(tx: Transaction, transfer: Transfer, command: TransferCommand, reason?: string): Promise<Begun> {
    const { wallet, clock } = this.#deps;
    const now = clock.now();
    const status = next(transfer, command, now) as FinalStatus;
    const ended = { ...transfer, status, reason, expiresAt: undefined, settledAt: now };
    if (transfer.txnId === undefined) {
      await this.#save(tx, transfer.status, ended);
      return { transfer: ended, moved: undefined };
    }
    const moved = await (status === 'completed' ? wallet.capture(tx, transfer.txnId) : wallet.release(tx, transfer.txnId, status));
    if (moved.settled) return { transfer: await this.#conclude(tx, transfer, ended), moved };
    const processing: Transfer = { ...transfer, status: advance<TransferStatus>(transferMachine, transfer.status, 'process'), nextStatus: status, reason, expiresAt: undefined };
    await this.#save(tx, transfer.status, processing);
    return { transfer: processing, moved };
  }

  /** What was announced as waiting is announced as ended; what was not, nobody heard of. */
  async #conclude(tx: Transaction, before: Transfer, ended: Transfer & { readonly status: FinalStatus }): Promise<Transfer> {
    await this.#save(tx, before.status, ended);
    for (const event of statusEvents(ended, this.#deps.clock.now())) this.#deps.events.emit(tx, event);
    await this.#note(tx, ended, ended.status === 'expired' ? { kind: 'system', id: 'deadline' } : { kind: 'user', id: ended.status === 'cancelled' ? ended.payer : ended.payee });
    return ended;
  }

  /** After the commit: the transfer as it stands once the wallet has had its time. @throws AppError what the wallet service refused it with */
  async #finish({ transfer, moved }: Begun): Promise<Transfer> {
    const { wallet, database } = this.#deps;
    if (moved === undefined || moved.settled) return transfer;
    await wallet.finish(moved);
    const now = (await findTransfer(database, transfer.id))!;
    if (now.error !== undefined) throw refusalOf(now.error, { transfer_id: now.id, status: now.status });
    return now;
  }

  /** In the audit log: money has moved, is held, or was let go. */
  #note(tx: Transaction, { id, status, payer, payee, amountMinor, currency, txnId }: Transfer, actor: AuditRecord['actor']): Promise<void> {
    return this.#deps.audit(tx, { actor, action: `transfer.${status}`, target: { kind: 'transfer', id }, details: { payer, payee, amount_minor: amountMinor, currency, txn_id: txnId } });
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
