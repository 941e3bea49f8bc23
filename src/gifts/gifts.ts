import type { Database, Transaction } from '../database/index.ts';
import type { JobQueue } from '../jobs/index.ts';
import { advance } from '../kernel/advance.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { isUserId, newId, randomBelow, type RoomId, type UserId } from '../kernel/ids.ts';
import type { Money } from '../kernel/money.ts';
import type { RoomEvents, SharedRooms } from '../matrix/port.ts';
import type { Notices } from '../notices/index.ts';
import type { AuditRecord, RecordAudit } from '../security/audit/index.ts';
import { mfaRequired, refusalOf, requireProof, type ActivationNotice, type JudgedProof, type MovementProof, type Moved, type TakeAnswer, type TermsProof, type Wallet } from '../wallet/index.ts';
import { split } from './distribution.ts';
import { expiredEvents, giftEvents, giftNotices, openedEvents, openerNotice } from './events.ts';
import { expiryJob, expiryJobKind } from './jobs.ts';
import { giftMachine, type GiftCommand, type GiftStatus } from './machine.ts';
import { findGift, hasOpened, insertGift, isGiftMember, listOpened, lockGift, moveGift, nextShare, sumUnopened, takeShare } from './repo.ts';
import type { Gift, OpenedShare } from './types.ts';

export interface GiftPolicy {
  readonly randomAlgorithm: 'even_chance' | 'specification';
  readonly maxCount: number;
  readonly confirmMs: number;
  readonly lifetimeMs: number;
}

export interface GiftsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly events: RoomEvents;
  readonly sharedRooms: SharedRooms;
  readonly wallet: Wallet;
  readonly proofs: TermsProof;
  readonly activation: ActivationNotice;
  readonly mayHaveWallet: (userId: UserId) => boolean;
  readonly notices: Pick<Notices, 'publish'>;
  readonly audit: RecordAudit;
  readonly policy: GiftPolicy;
}

export interface GiftRequest extends Money {
  readonly giver: UserId;
  readonly type: 'individual' | 'group';
  readonly recipient: UserId | undefined;
  readonly roomId: RoomId | undefined;
  readonly count: number;
  readonly distribution: 'random' | 'equal';
  readonly message: string | undefined;
  readonly lifetimeMs: number | undefined;
}

type AuthProof = Readonly<Record<string, unknown>> | undefined;

/** What was asked before a gift is made. Without a proof it is only written down, to be confirmed. */
export interface GiftPreparation {
  readonly roomEncrypted: boolean;
  readonly members: readonly UserId[];
  readonly proof: JudgedProof | undefined;
  readonly methods: readonly string[];
}

export interface GiftWithShares {
  readonly gift: Gift;
  /** The largest first. */
  readonly opened: readonly OpenedShare[];
}

/** What a transaction has begun: with a wallet service its end is still to come. */
export interface BegunGift {
  readonly gift: Gift;
  readonly moved: Moved | undefined;
}

export interface Gifts {
  /** Outside of a transaction; `proofId` is what a proof on creation must name. @throws AppError INVALID_REQUEST, ROOM_NOT_ALLOWED, DEVICE_NOT_REGISTERED, SERVICE_UNAVAILABLE, what the proof throws */
  prepare(request: GiftRequest, proofId: string, authProof: AuthProof): Promise<GiftPreparation>;
  /** Draws the shares; with a proof the money goes into escrow at once, or a wallet service is told to put it there. @throws AppError as Wallet.transfer */
  create(tx: Transaction, request: GiftRequest, preparation: GiftPreparation): Promise<BegunGift>;
  /** After the commit: the gift as it stands once the wallet has had its time. @throws AppError what the wallet service refused it with */
  finish(begun: BegunGift): Promise<Gift>;
  /** @throws AppError GIFT_NOT_FOUND, GIFT_EXPIRED, INVALID_STATE_TRANSITION, MFA_REQUIRED, what the proof and the wallet throw */
  confirm(giver: UserId, id: string, authProof: AuthProof): Promise<GiftWithShares>;
  /** Takes the next share. @throws AppError GIFT_NOT_FOUND, GIFT_EXPIRED, GIFT_EMPTY, ALREADY_OPENED, ROOM_NOT_ALLOWED, USER_SUSPENDED */
  open(userId: UserId, id: string): Promise<GiftWithShares & { readonly share: OpenedShare }>;
  /** For the giver and whoever may open it. @throws AppError GIFT_NOT_FOUND for everybody else */
  get(userId: UserId, id: string): Promise<GiftWithShares>;
  /** Id of the Matrix event that announced it where this user sees it, once it is there. */
  findEventId(userId: UserId, gift: Gift): Promise<string | undefined>;
  /** Part of a job: gives back what is left when the time is over, and does nothing to a gift that goes on or has ended. */
  expire(tx: Transaction, id: string): Promise<void>;
  /** The wallet service's answer. */
  readonly takeAnswer: TakeAnswer;
}

const notFound = (neverWas = false): AppError => new AppError('GIFT_NOT_FOUND', 'No such gift', { neverWas });
const expired = (): AppError => new AppError('GIFT_EXPIRED', 'The time of this gift is over');
const next = (gift: Gift, command: GiftCommand): GiftStatus => advance<GiftStatus>(giftMachine, gift.status, command);

/** What a proof names as the one who gets it: to many, that is the room. */
const recipientOf = ({ recipient, roomId }: Pick<Gift, 'recipient' | 'roomId'>): string => recipient ?? roomId ?? '';

class GiftTable implements Gifts {
  readonly #deps: GiftsDependencies;
  constructor(deps: GiftsDependencies) {
    this.#deps = deps;
  }

  async prepare(request: GiftRequest, proofId: string, authProof: AuthProof): Promise<GiftPreparation> {
    const { sharedRooms, proofs, mayHaveWallet, wallet } = this.#deps;
    const { giver, recipient, roomId, amountMinor, currency } = request;
    this.#check(request);
    const { isEncrypted, members } = await sharedRooms.requireShared([giver, ...(recipient === undefined ? [] : [recipient])], roomId, { askAnew: request.type === 'group' });
    await wallet.lookAhead(this.#funding(request));
    const proof = authProof === undefined ? undefined : await proofs.prove(giver, { id: proofId, amountMinor, currency, recipient: recipientOf(request) }, authProof);
    return {
      roomEncrypted: roomId !== undefined && isEncrypted,
      members: request.type === 'individual' ? [] : [...members.keys()].filter(isUserId).filter(mayHaveWallet),
      proof,
      methods: proof === undefined ? await requireProof(proofs, giver) : [],
    };
  }

  async create(tx: Transaction, request: GiftRequest, { roomEncrypted, members, proof }: GiftPreparation): Promise<BegunGift> {
    const { wallet, clock, policy, queue } = this.#deps;
    const { giver, amountMinor, currency, count, distribution } = request;
    await wallet.requireMaySend(giver, request, tx);
    if (request.recipient !== undefined) await wallet.requireMayReceive(request.recipient, tx);
    await wallet.requireFunds(giver, request, tx);
    const now = clock.now();
    const gift: Gift = {
      ...request,
      id: newId('gift'),
      amountMinor,
      roomEncrypted,
      opened: 0,
      status: 'pending_authorization',
      error: undefined,
      lifetimeMs: request.lifetimeMs ?? policy.lifetimeMs,
      createdAt: now,
      expiresAt: now + policy.confirmMs,
    };
    const shares = split(distribution === 'equal' ? 'equal' : policy.randomAlgorithm, amountMinor, count, randomBelow);
    await insertGift(tx, { ...gift, currency }, shares, members);
    if (proof === undefined) {
      this.#tell(tx, gift);
      queue.enqueue(tx, expiryJob(gift));
      return { gift, moved: undefined };
    }
    await proof.spend(tx);
    return this.#fund(tx, gift, proof.ticket);
  }

  async confirm(giver: UserId, id: string, authProof: AuthProof): Promise<GiftWithShares> {
    const { database, proofs, wallet } = this.#deps;
    const offered = this.#requireConfirmable(await findGift(database, id), giver);
    if (authProof === undefined) throw mfaRequired(await requireProof(proofs, giver), { gift_id: id, status: offered.status });
    const proof = await proofs.prove(giver, { id, amountMinor: offered.amountMinor, currency: offered.currency, recipient: recipientOf(offered) }, authProof);
    await wallet.lookAhead(this.#funding(offered));
    const begun = await database.inTransaction(async (tx) => {
      const gift = this.#requireConfirmable(await lockGift(tx, id), giver);
      await proof.spend(tx);
      if (gift.recipient !== undefined) await wallet.requireMayReceive(gift.recipient, tx);
      return this.#fund(tx, gift, proof.ticket);
    });
    return { gift: await this.finish(begun), opened: [] };
  }

  async finish({ gift, moved }: BegunGift): Promise<Gift> {
    const { wallet, database } = this.#deps;
    if (moved === undefined || moved.settled) return gift;
    await wallet.finish(moved);
    const now = (await findGift(database, gift.id))!;
    if (now.error !== undefined) throw refusalOf(now.error, { gift_id: now.id, status: now.status });
    return now;
  }

  async open(userId: UserId, id: string): Promise<GiftWithShares & { readonly share: OpenedShare }> {
    const { database, sharedRooms, wallet } = this.#deps;
    const offered = await this.#requireVisible(await findGift(database, id), userId);
    if (!(await this.#mayOpen(offered, userId))) throw notFound();
    if (offered.type === 'group') await sharedRooms.requireShared([userId], offered.roomId);
    await wallet.lookAhead({ from: { gift: id }, to: { user: userId }, amountMinor: 1, currency: offered.currency });
    const { moved, ...taken } = await database.inTransaction(async (tx) => {
      const gift = (await lockGift(tx, id))!;
      if (await hasOpened(tx, id, userId)) throw new AppError('ALREADY_OPENED', 'You have already opened this gift');
      if (gift.status === 'fully_opened') throw new AppError('GIFT_EMPTY', 'Gift has already been fully opened');
      if (gift.status === 'expired' || this.#isOver(gift)) throw expired();
      return this.#takeNext(tx, gift, userId);
    });
    await wallet.finish(moved);
    return taken;
  }

  async get(userId: UserId, id: string): Promise<GiftWithShares> {
    const { database } = this.#deps;
    const gift = await this.#requireVisible(await findGift(database, id), userId);
    return { gift, opened: await listOpened(database, id) };
  }

  findEventId(userId: UserId, gift: Gift): Promise<string | undefined> {
    const { database, events } = this.#deps;
    return events.findEventId(database, gift.roomId === undefined ? { noticesOf: userId } : { room: gift.roomId }, gift.id);
  }

  async expire(tx: Transaction, id: string): Promise<void> {
    const { wallet, events, clock } = this.#deps;
    const gift = await lockGift(tx, id);
    if (gift === undefined || !this.#isOver(gift) || ['processing', 'fully_opened', 'expired', 'failed'].includes(gift.status)) return;
    await this.#save(tx, gift, { ...gift, status: next(gift, 'expire') });
    if (gift.status === 'pending_authorization') return;
    const { giver, currency, roomId } = gift;
    const amountMinor = await sumUnopened(tx, id);
    await wallet.transfer(tx, { from: { gift: id }, to: { user: giver }, amountMinor, currency, code: 'gift_return', ref: id, roomId });
    await this.#note(tx, gift, 'returned', { kind: 'system', id: 'deadline' }, amountMinor);
    for (const event of expiredEvents(gift, { amountMinor, currency }, await this.#isHidden(tx, gift), clock.now())) events.emit(tx, event);
  }

  #check({ giver, type, recipient, roomId, count, amountMinor, lifetimeMs }: GiftRequest): void {
    const { policy, mayHaveWallet } = this.#deps;
    if (type === 'individual') {
      if (recipient === undefined) throw invalidField('recipient', 'is required for an individual gift');
      if (recipient === giver) throw invalidField('recipient', 'is you');
      if (!mayHaveWallet(recipient)) throw invalidField('recipient', 'is no user of this homeserver who can have a wallet');
      if (count !== 1) throw invalidField('count', 'is 1 for an individual gift');
    } else {
      if (recipient !== undefined) throw invalidField('recipient', 'is for individual gifts');
      if (roomId === undefined) throw invalidField('room_id', 'is required for a group gift');
    }
    if (count > policy.maxCount) throw invalidField('count', `is at most ${policy.maxCount}`);
    if (amountMinor < count) throw invalidField('count', 'is more than there are minor units of the currency in the amount');
    if (lifetimeMs !== undefined && lifetimeMs > policy.lifetimeMs) throw invalidField('expires_in_seconds', `is at most ${policy.lifetimeMs / 1000}`);
  }

  #isOver = ({ expiresAt }: Gift): boolean => this.#deps.clock.now() >= expiresAt;

  #requireConfirmable(gift: Gift | undefined, giver: UserId): Gift {
    if (gift?.giver !== giver) throw notFound(gift === undefined);
    next(gift, 'confirm');
    if (this.#isOver(gift)) throw expired();
    return gift;
  }

  #mayOpen(gift: Gift, userId: UserId): Promise<boolean> {
    return gift.type === 'individual' ? Promise.resolve(gift.recipient === userId) : isGiftMember(this.#deps.database, gift.id, userId);
  }

  /** Nobody but the giver knows of a gift that is not confirmed. @throws AppError GIFT_NOT_FOUND */
  async #requireVisible(gift: Gift | undefined, userId: UserId): Promise<Gift> {
    if (gift === undefined) throw notFound(true);
    const isSecret = ['pending_authorization', 'processing', 'failed'].includes(gift.status);
    if (gift.giver === userId && isSecret) return gift;
    if (isSecret || !(gift.giver === userId || (await this.#mayOpen(gift, userId)))) throw notFound();
    return gift;
  }

  /** As the wallet is asked beforehand: whoever gets it is looked at as one who is sent the money. */
  #funding({ giver, recipient, amountMinor, currency }: Pick<Gift, 'giver' | 'recipient' | 'amountMinor' | 'currency'>) {
    return { from: { user: giver }, to: recipient === undefined ? { gift: '' } : { user: recipient }, amountMinor, currency };
  }

  /** The money goes into escrow, or a wallet service is told to put it there. */
  async #fund(tx: Transaction, gift: Gift, proof: MovementProof | undefined): Promise<BegunGift> {
    const { wallet } = this.#deps;
    const { id, giver, amountMinor, currency, message, roomId } = gift;
    const moved = await wallet.transfer(tx, { from: { user: giver }, to: { gift: id }, amountMinor, currency, code: 'gift', ref: id, note: message, roomId, proof });
    if (moved.settled) return { gift: await this.#activate(tx, gift, { ...gift, status: next(gift, 'confirm') }, moved.txnId), moved };
    const processing: Gift = { ...gift, status: next(gift, 'process') };
    await this.#save(tx, gift, processing);
    return { gift: processing, moved };
  }

  /** The money is in escrow: the gift appears in the room. */
  async #activate(tx: Transaction, before: Gift, gift: Gift, txnId: string): Promise<Gift> {
    const { events, queue, clock } = this.#deps;
    const now = clock.now();
    const active: Gift = { ...gift, expiresAt: now + gift.lifetimeMs };
    await this.#save(tx, before, active);
    await this.#note(tx, active, 'funded', { kind: 'user', id: gift.giver }, gift.amountMinor);
    for (const event of giftEvents(active, txnId, await this.#isHidden(tx, gift), now)) events.emit(tx, event);
    queue.enqueue(tx, expiryJob(active));
    return active;
  }

  readonly takeAnswer: TakeAnswer = async (tx, { code, ref, outcome }) => {
    // What came out of the escrow was told when it was taken.
    if (code !== 'gift') return;
    const gift = await lockGift(tx, ref);
    if (gift?.status !== 'processing') throw new Error(`the wallet answers to the gift ${ref}, which does not wait for it`);
    if ('refused' in outcome) await this.#save(tx, gift, { ...gift, status: next(gift, 'fail'), error: { code: outcome.refused.code, message: outcome.refused.message } });
    else await this.#activate(tx, gift, { ...gift, status: next(gift, 'fund') }, outcome.txnId);
  };

  async #takeNext(tx: Transaction, gift: Gift, userId: UserId): Promise<GiftWithShares & { readonly share: OpenedShare; readonly moved: Moved }> {
    const { wallet, events, clock, activation } = this.#deps;
    const now = clock.now();
    await wallet.requireMayReceive(userId, tx);
    const free = await nextShare(tx, gift.id);
    if (free === undefined || !(await takeShare(tx, gift.id, free.n, userId, now))) throw new Error(`gift ${gift.id} has no share left and is not fully opened`);
    const taken = { ...gift, opened: gift.opened + 1, status: next(gift, gift.opened + 1 === gift.count ? 'open_last' : 'open') };
    await this.#save(tx, gift, taken);
    const { currency, roomId, message, giver } = gift;
    const moved = await wallet.transfer(tx, { from: { gift: gift.id }, to: { user: userId }, amountMinor: free.amountMinor, currency, code: 'gift_share', ref: gift.id, note: message, roomId, shownFrom: giver });
    await this.#note(tx, gift, 'opened', { kind: 'user', id: userId }, free.amountMinor);
    const share: OpenedShare = { ...free, openedBy: userId, openedAt: now };
    const opened = await listOpened(tx, gift.id);
    const hidden = await this.#isHidden(tx, gift);
    for (const event of openedEvents(taken, share, opened, hidden)) events.emit(tx, event);
    if (gift.recipient === undefined) this.#deps.notices.publish(tx, openerNotice(taken, share));
    await activation.send(tx, { from: giver, to: userId, amountMinor: free.amountMinor, currency, roomId, hidden });
    return { gift: taken, opened, share, moved };
  }

  /** In the audit log: money has moved. */
  #note(tx: Transaction, { id, giver, currency }: Gift, what: 'funded' | 'opened' | 'returned', actor: AuditRecord['actor'], amountMinor: number): Promise<void> {
    return this.#deps.audit(tx, { actor, action: `gift.${what}`, target: { kind: 'gift', id }, details: { giver, amount_minor: amountMinor, currency } });
  }

  async #isHidden(tx: Transaction, { roomId, roomEncrypted }: Gift): Promise<boolean> {
    return roomEncrypted || (roomId !== undefined && (await this.#deps.sharedRooms.isKnownEncrypted(tx, roomId)));
  }

  async #save(tx: Transaction, from: Gift, gift: Gift): Promise<void> {
    if (!(await moveGift(tx, from, gift))) throw new AppError('INVALID_STATE_TRANSITION', 'The gift has changed meanwhile');
    this.#tell(tx, gift, (from.status === 'pending_authorization' && gift.status === 'expired') || ['pending_authorization', 'processing', 'failed'].includes(gift.status));
  }

  /** Devices of the giver and the recipient. Of one that was never confirmed only the giver knows. */
  #tell(tx: Transaction, gift: Gift, neverActive = gift.status === 'pending_authorization'): void {
    for (const notice of giftNotices(gift, neverActive)) this.#deps.notices.publish(tx, notice);
  }
}

export const createGifts = (deps: GiftsDependencies): Gifts => new GiftTable(deps);

export const giftJobs = (gifts: Gifts) => ({ [expiryJobKind]: { run: ({ body }: { readonly body: unknown }) => Promise.resolve((tx: Transaction) => gifts.expire(tx, (body as { giftId: string }).giftId)) } });
