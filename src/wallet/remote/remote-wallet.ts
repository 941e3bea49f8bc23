import type { Database, Queryable, Transaction } from '../../database/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { newId, type UserId } from '../../kernel/ids.ts';
import { amountNumber, asCurrency, type Currency, type Money } from '../../kernel/money.ts';
import type { Limits } from '../levels.ts';
import { statusOf, type Foresight, type Moved, type Movement, type Party, type ReleaseOutcome, type Wallet, type WalletRecord } from '../port.ts';
import { findWallet, holdWallets, insertWallet, listWallets, reserveWalletId } from '../repo.ts';
import type { WalletServiceClient } from './client.ts';
import { findInstructionByTxn } from './instruction-repo.ts';
import type { Instructions } from './instructions.ts';
import { mirrorAccounts } from './mirror-repo.ts';
import { limitsFromWire, refusalFromWire, termsOnWire, type WireAccount, type WireEligibility } from './wire.ts';

export interface RemoteWalletDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly client: WalletServiceClient;
  readonly instructions: Instructions;
  /** For play money, which never leaves this server (decision D23). */
  readonly ledger: Wallet;
  readonly defaultCurrency: Currency;
  /** Which share of the service's limits counts just now (decision D20). */
  readonly limitShareOf: (userId: UserId, db: Queryable) => Promise<number>;
}

type Looked = Pick<Movement, 'from' | 'to' | 'amountMinor' | 'currency'>;

const suspended = (): AppError => new AppError('USER_SUSPENDED', 'This account is suspended');
const notYet = (): AppError => new AppError('P2P_SEND_NOT_ALLOWED', 'The account has to be activated before it can send money');
const ended = (): AppError => new AppError('INVALID_STATE_TRANSITION', 'This hold has ended already');

const isPlay = ({ from, to }: Pick<Movement, 'from' | 'to'>): boolean => 'sandbox' in from || 'sandbox' in to;
const userOf = (party: Party): UserId | undefined => ('user' in party ? party.user : undefined);

/** @throws AppError where the lowered share of the service's own limits is not enough */
function requireWithin({ limits: wire, current_usage: usage }: WireEligibility, { amountMinor, currency }: Money, share: number): void {
  const limits = limitsFromWire(wire);
  const shared = (limit: number): number => Math.floor(limit * share);
  const shown = (limit: number) => amountNumber(shared(limit), currency);
  if (amountMinor > shared(limits.transaction)) throw new AppError('AMOUNT_EXCEEDS_LIMIT', 'The amount is above what this wallet may send at once', { details: { transaction_limit: shown(limits.transaction), currency } });
  if (usage.daily_minor + amountMinor > shared(limits.daily)) throw new AppError('DAILY_LIMIT_EXCEEDED', 'The daily limit is reached', { details: { daily_limit: shown(limits.daily), currency } });
  if (usage.monthly_minor + amountMinor > shared(limits.monthly)) throw new AppError('MONTHLY_LIMIT_EXCEEDED', 'The monthly limit is reached', { details: { monthly_limit: shown(limits.monthly), currency } });
}

/**
 * The port over a wallet service. What takes a transaction only looks at what the service last said (the table `wallet`) and
 * writes instructions; what asks the service is to be called outside of one.
 */
class RemoteWallet implements Wallet {
  readonly #deps: RemoteWalletDependencies;
  constructor(deps: RemoteWalletDependencies) {
    this.#deps = deps;
  }

  find(userId: UserId, db: Queryable = this.#deps.database): Promise<WalletRecord | undefined> {
    return findWallet(db, userId);
  }

  async findAll(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, WalletRecord>> {
    const { client, database } = this.#deps;
    if (userIds.length === 0) return new Map();
    await this.#mirror(await client.accounts(userIds));
    return listWallets(database, userIds);
  }

  async open(tx: Transaction, userId: UserId, currency: Currency = this.#deps.defaultCurrency): Promise<WalletRecord> {
    const known = await findWallet(tx, userId);
    if (known !== undefined) return known;
    const now = this.#deps.clock.now();
    await insertWallet(tx, { userId, walletId: await reserveWalletId(tx, userId, newId('tw'), now), currency, createdAt: now });
    return (await findWallet(tx, userId))!;
  }

  async lookAhead(movement: Looked): Promise<Foresight> {
    if (isPlay(movement)) return { acceptanceRequired: undefined };
    const { client } = this.#deps;
    const [sender, receiver] = [userOf(movement.from), userOf(movement.to)];
    client.requireReachable();
    const [policy] = await Promise.all([
      sender !== undefined && receiver !== undefined ? client.policy(sender, movement) : undefined,
      sender === undefined ? undefined : this.#askSender(sender, movement),
      // What comes back from a merchant is theirs whatever became of them.
      receiver === undefined || 'miniapp' in movement.from ? undefined : this.#askReceiver(receiver),
    ]);
    return { acceptanceRequired: policy?.recipient_acceptance_required };
  }

  async requireMaySend(userId: UserId, _money: Money, db: Queryable = this.#deps.database): Promise<WalletRecord> {
    return this.#requireSendable(await findWallet(db, userId));
  }

  async limitsOf({ userId }: WalletRecord): Promise<Limits> {
    const found = await this.#deps.client.verification(userId);
    return found === undefined ? { transaction: 0, daily: 0, monthly: 0 } : limitsFromWire(found.limits);
  }

  /** Was asked beforehand, and is asked again by the service when the money moves. */
  requireFunds(): Promise<void> {
    return Promise.resolve();
  }

  async requireMayReceive(userId: UserId, db: Queryable = this.#deps.database): Promise<void> {
    if ((await findWallet(db, userId))?.frozenAt !== undefined) throw suspended();
  }

  transfer(tx: Transaction, movement: Movement): Promise<Moved> {
    return this.#order(tx, 'transfer', movement);
  }

  hold(tx: Transaction, movement: Movement): Promise<Moved> {
    return this.#order(tx, 'hold', movement);
  }

  capture(tx: Transaction, holdId: string): Promise<Moved> {
    return this.#end(tx, holdId, undefined);
  }

  release(tx: Transaction, holdId: string, outcome: ReleaseOutcome): Promise<Moved> {
    return this.#end(tx, holdId, outcome);
  }

  finish(...moved: readonly Moved[]): Promise<void> {
    const open = moved.flatMap((one) => (one.settled ? [] : [one.instructionId]));
    return open.length === 0 ? Promise.resolve() : this.#deps.instructions.finish(open);
  }

  async available(party: Exclude<Party, { outside: true }>, currency: Currency): Promise<number> {
    if (!('user' in party)) throw new Error('a wallet service is asked for the balances of users only');
    const standing = await this.#deps.client.balance(party.user);
    return standing?.balances.find((balance) => balance.currency === currency)?.available_minor ?? 0;
  }

  async #order(tx: Transaction, kind: 'transfer' | 'hold', movement: Movement): Promise<Moved> {
    if (isPlay(movement)) return this.#deps.ledger[kind](tx, movement);
    const [sender, receiver] = [userOf(movement.from), userOf(movement.to)];
    // Held as they are until the commit: whoever freezes one waits, or is seen.
    const wallets = await holdWallets(tx, [sender, receiver].filter((userId) => userId !== undefined));
    if (sender !== undefined) this.#requireSendable(wallets.get(sender));
    if (sender !== undefined && receiver !== undefined && wallets.get(receiver)?.frozenAt !== undefined) throw suspended();
    const { code, ref } = movement;
    return this.#deps.instructions.order(tx, { kind, code, ref, terms: termsOnWire(kind, movement), secured: 'gift' in movement.from });
  }

  async #end(tx: Transaction, holdId: string, outcome: ReleaseOutcome | undefined): Promise<Moved> {
    const { instructions, ledger } = this.#deps;
    const hold = await findInstructionByTxn(tx, holdId);
    if (hold === undefined) return outcome === undefined ? ledger.capture(tx, holdId) : ledger.release(tx, holdId, outcome);
    if (hold.kind !== 'hold') throw ended();
    const kind = outcome === undefined ? 'capture' : 'release';
    return instructions.order(tx, { kind, code: hold.code, ref: hold.ref, terms: { kind, hold: hold.id, ...(outcome === undefined ? {} : { outcome }) }, holdId: hold.id, secured: true });
  }

  async #askSender(userId: UserId, money: Money): Promise<void> {
    const { client, database, limitShareOf } = this.#deps;
    const found = await client.eligibility(userId, money);
    if (found.account !== undefined) await this.#mirror([found.account]);
    this.#requireSendable(await findWallet(database, userId));
    if (!found.eligible) throw refusalFromWire(found.reason ?? { code: 'PAYMENT_FAILED', message: 'The wallet would decline this' });
    requireWithin(found, money, await limitShareOf(userId, database));
  }

  async #askReceiver(userId: UserId): Promise<void> {
    const account = await this.#deps.client.account(userId);
    if (account !== undefined) await this.#mirror([account]);
    await this.requireMayReceive(userId);
  }

  /** @throws AppError unless the wallet may send at all, as far as is known here */
  #requireSendable(wallet: WalletRecord | undefined): WalletRecord {
    if (wallet === undefined) throw notYet();
    if (wallet.frozenAt !== undefined) throw suspended();
    if (statusOf(wallet) !== 'active') throw notYet();
    return wallet;
  }

  async #mirror(accounts: readonly WireAccount[]): Promise<void> {
    const { database, clock } = this.#deps;
    for (const { currency } of accounts) asCurrency(currency);
    await mirrorAccounts(database, accounts, clock.now());
  }
}

export const createRemoteWallet = (deps: RemoteWalletDependencies): Wallet => new RemoteWallet(deps);
