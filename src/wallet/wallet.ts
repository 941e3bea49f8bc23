import type { Database, Queryable, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import { amountNumber, type Currency, type Money } from '../kernel/money.ts';
import type { WalletChanges } from './changes.ts';
import { insertHistory, setHistoryStatus, type HistoryEntry, type HistoryStatus } from './history-repo.ts';
import { availableIn, createLedger, insufficient, type Ledger } from './ledger/ledger.ts';
import { findAccount, findOwner, findTransfer, findUserOf, type AccountOwner, type LedgerTransfer } from './ledger/repo.ts';
import { limitsOf, maySendAt, windowsAt, type LevelTable, type Limits, type LimitWindow, type Period } from './levels.ts';
import { statusOf, type Foresight, type Moved, type Movement, type MovementCode, type Party, type Wallet, type WalletRecord } from './port.ts';
import { countTowardsLimits, endReservation, findLimitUsage, findWallet, giveBackUse, holdWallets, insertWallet, listWallets, reserveWalletId } from './repo.ts';

export interface WalletDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly levels: LevelTable;
  readonly defaultCurrency: Currency;
  /** Who is to hear of changes of balances; nobody when absent. */
  readonly changes?: Pick<WalletChanges, 'balance'>;
  /** Which share of the limits counts for a user just now: less for a while after a factor was changed (decision D20). All of them when absent. */
  readonly limitShareOf?: (userId: UserId, db: Queryable) => Promise<number>;
}

const accountOf = (party: Party): AccountOwner => {
  if ('user' in party) return { kind: 'wallet', owner: party.user };
  if ('miniapp' in party) return { kind: 'merchant', owner: party.miniapp };
  if ('sandbox' in party) return { kind: 'external', owner: `sandbox:${party.sandbox}` };
  if ('provider' in party) return { kind: 'external', owner: `provider:${party.provider}` };
  return 'gift' in party ? { kind: 'gift_escrow', owner: party.gift } : { kind: 'equity', owner: '' };
};

/** How a movement is called in the history of whom it is taken from, and of whom it goes to. */
const historyTypes: Readonly<Record<MovementCode, { readonly sent?: string; readonly received?: string }>> = {
  deposit: { received: 'deposit' },
  p2p: { sent: 'p2p_sent', received: 'p2p_received' },
  gift: { sent: 'gift_sent' },
  gift_share: { received: 'gift_received' },
  gift_return: { received: 'gift_returned' },
  payment: { sent: 'payment_sent' },
  refund: { received: 'refund_received' },
  funding: { received: 'funding' },
  withdrawal: { sent: 'withdrawal' },
};

export const suspended = (): AppError => new AppError('USER_SUSPENDED', 'This account is suspended');
const notYet = (): AppError => new AppError('P2P_SEND_NOT_ALLOWED', 'The account has to be activated before it can send money');

const exceeded: Readonly<Record<Period, (limit: Money) => AppError>> = {
  day: ({ amountMinor, currency }) => new AppError('DAILY_LIMIT_EXCEEDED', 'The daily limit is reached', { details: { daily_limit: amountNumber(amountMinor, currency), currency } }),
  month: ({ amountMinor, currency }) => new AppError('MONTHLY_LIMIT_EXCEEDED', 'The monthly limit is reached', { details: { monthly_limit: amountNumber(amountMinor, currency), currency } }),
};

const limitOfPeriod = (limits: Limits, period: Period): number => (period === 'day' ? limits.daily : limits.monthly);

/** The embedded ledger's side of the port. */
class LedgerWallet implements Wallet {
  readonly #deps: WalletDependencies;
  readonly #ledger: Ledger;

  constructor(deps: WalletDependencies) {
    this.#deps = deps;
    this.#ledger = createLedger(deps.clock);
  }

  find(userId: UserId, db: Queryable = this.#deps.database): Promise<WalletRecord | undefined> {
    return findWallet(db, userId);
  }

  findAll(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, WalletRecord>> {
    return listWallets(this.#deps.database, userIds);
  }

  lookAhead(): Promise<Foresight> {
    return Promise.resolve({ acceptanceRequired: undefined });
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  async open(tx: Transaction, userId: UserId, currency: Currency = this.#deps.defaultCurrency): Promise<WalletRecord> {
    const known = await findWallet(tx, userId);
    if (known !== undefined) return known;
    const now = this.#deps.clock.now();
    const walletId = await reserveWalletId(tx, userId, newId('tw'), now);
    await insertWallet(tx, { userId, walletId, currency, createdAt: now });
    return (await findWallet(tx, userId))!;
  }

  async requireMaySend(userId: UserId, money: Money, db: Queryable = this.#deps.database): Promise<WalletRecord> {
    const wallet = await findWallet(db, userId);
    if (wallet === undefined) throw notYet();
    const limits = await this.limitsOf(wallet, money.currency, db);
    this.#requireSendable(wallet, money, limits);
    for (const window of windowsAt(this.#deps.clock.now())) {
      const { used, reserved } = await findLimitUsage(db, userId, money.currency, window);
      const limit = limitOfPeriod(limits, window.period);
      if (used + reserved + money.amountMinor > limit) throw exceeded[window.period]({ ...money, amountMinor: limit });
    }
    return wallet;
  }

  async limitsOf(wallet: WalletRecord, currency: Currency, db: Queryable = this.#deps.database): Promise<Limits> {
    const { levels, limitShareOf } = this.#deps;
    return limitsOf(levels, wallet, currency, await limitShareOf?.(wallet.userId, db));
  }

  async requireFunds(userId: UserId, money: Money, db: Queryable = this.#deps.database): Promise<void> {
    const account = await findAccount(db, accountOf({ user: userId }), money.currency);
    if (account === undefined || availableIn(account) < money.amountMinor) throw insufficient(account, money);
  }

  async requireMayReceive(userId: UserId, db: Queryable = this.#deps.database): Promise<void> {
    if ((await findWallet(db, userId))?.frozenAt !== undefined) throw suspended();
  }

  transfer(tx: Transaction, movement: Movement): Promise<Moved> {
    return this.#book(tx, movement, 'transfer');
  }

  hold(tx: Transaction, movement: Movement): Promise<Moved> {
    return this.#book(tx, movement, 'hold');
  }

  async capture(tx: Transaction, holdId: string): Promise<Moved> {
    const hold = await this.#ledger.post(tx, holdId);
    await this.#noteBalance(tx, hold.credit, hold);
    await this.#settle(tx, hold, true, 'completed');
    return { settled: true, txnId: holdId };
  }

  async release(tx: Transaction, holdId: string, outcome: 'cancelled' | 'rejected' | 'expired'): Promise<Moved> {
    const hold = await this.#ledger.void(tx, holdId);
    await this.#noteBalance(tx, hold.debit, hold);
    await this.#settle(tx, hold, false, outcome);
    return { settled: true, txnId: holdId };
  }

  async available(party: Exclude<Party, { outside: true }>, currency: Currency): Promise<number> {
    const account = await findAccount(this.#deps.database, accountOf(party), currency);
    return account === undefined ? 0 : availableIn(account);
  }

  async #book(tx: Transaction, movement: Movement, how: 'transfer' | 'hold'): Promise<Moved> {
    const payer = await this.#prepare(tx, movement);
    const transfer = await this.#ledger[how](tx, this.#entryOf(movement));
    if (payer !== undefined) await this.#count(tx, payer.limits, payer.wallet.userId, transfer, how === 'transfer' ? 'used' : 'reserved');
    this.#noteBalances(tx, movement, how);
    if (movement.undoes !== undefined) await this.#giveBackLimits(tx, movement.undoes, transfer.amountMinor);
    await insertHistory(tx, historyOf(movement, transfer, how === 'transfer' ? 'completed' : 'pending'));
    return { settled: true, txnId: transfer.id };
  }

  #noteBalances(tx: Transaction, { from, to, amountMinor, currency }: Movement, how: 'transfer' | 'hold'): void {
    const { changes } = this.#deps;
    if ('user' in from) changes?.balance(tx, from.user, { amountMinor: -amountMinor, currency });
    if ('user' in to && how === 'transfer') changes?.balance(tx, to.user, { amountMinor, currency });
  }

  /** What a hold that ended gives to one of its accounts, where that is a user's. */
  async #noteBalance(tx: Transaction, accountId: string, money: Money): Promise<void> {
    const { changes } = this.#deps;
    if (changes === undefined) return;
    const userId = await findUserOf(tx, accountId);
    if (userId !== undefined) changes.balance(tx, userId, { amountMinor: money.amountMinor, currency: money.currency });
  }

  async #giveBackLimits(tx: Transaction, txnId: string, amountMinor: number): Promise<void> {
    const undone = await findTransfer(tx, txnId);
    if (undone === undefined || !undone.limited) return;
    const payer = await findOwner(tx, undone.debit);
    for (const window of windowsAt(undone.createdAt)) await giveBackUse(tx, payer, { amountMinor, currency: undone.currency }, window);
  }

  /** Opens the payee's wallet where there is none, and looks whether both may. Returns the payer's wallet and its limits, of a user. */
  async #prepare(tx: Transaction, { from, to, currency, amountMinor }: Movement): Promise<{ readonly wallet: WalletRecord; readonly limits: Limits } | undefined> {
    const [sender, receiver] = ['user' in from ? from.user : undefined, 'user' in to ? to.user : undefined];
    const wallets = await holdWallets(tx, [sender, receiver].filter((userId) => userId !== undefined));
    if (receiver !== undefined && !wallets.has(receiver)) await this.open(tx, receiver, currency);
    if (sender === undefined) return undefined;
    if (receiver !== undefined && wallets.get(receiver)?.frozenAt !== undefined) throw suspended();
    const payer = wallets.get(sender);
    if (payer === undefined) throw notYet();
    const limits = await this.limitsOf(payer, currency, tx);
    this.#requireSendable(payer, { amountMinor, currency }, limits);
    return { wallet: payer, limits };
  }

  #entryOf(movement: Movement) {
    const { amountMinor, currency, code, ref } = movement;
    return { debit: accountOf(movement.from), credit: accountOf(movement.to), amountMinor, currency, code, ref, limited: 'user' in movement.from };
  }

  async #count(tx: Transaction, limits: Limits, payer: UserId, transfer: LedgerTransfer, as: 'used' | 'reserved'): Promise<void> {
    const windows = windowsAt(transfer.createdAt).map((window) => ({ ...window, limit: limitOfPeriod(limits, window.period) }));
    const counted = await countTowardsLimits(tx, payer, transfer, windows, as);
    const over = windows.find(({ period }) => !counted.includes(period));
    if (over !== undefined) throw exceeded[over.period]({ amountMinor: over.limit, currency: transfer.currency });
  }

  /** @throws AppError unless the wallet may send this much at once */
  #requireSendable(wallet: WalletRecord, { amountMinor, currency }: Money, limits: Limits): void {
    if (wallet.frozenAt !== undefined) throw suspended();
    if (!maySendAt(wallet.level) || statusOf(wallet) !== 'active') throw notYet();
    if (amountMinor > limits.transaction) {
      throw new AppError('AMOUNT_EXCEEDS_LIMIT', 'The amount is above what this wallet may send at once', { details: { transaction_limit: amountNumber(limits.transaction, currency), currency } });
    }
  }

  /** The windows of a hold are those in which it was made, however late it ends. */
  async #settle(tx: Transaction, hold: LedgerTransfer, spent: boolean, status: HistoryStatus): Promise<void> {
    if (hold.limited) {
      const payer = await findOwner(tx, hold.debit);
      const windows: readonly LimitWindow[] = windowsAt(hold.createdAt);
      for (const window of windows) await endReservation(tx, payer, hold, window, spent);
    }
    await setHistoryStatus(tx, hold.id, status);
  }
}

function historyOf(movement: Movement, transfer: LedgerTransfer, status: HistoryStatus): (HistoryEntry & { roomId: Movement['roomId'] })[] {
  const { from, to, shownFrom, code } = movement;
  const [payer, payee] = ['user' in from ? from.user : undefined, 'user' in to ? to.user : undefined];
  const { sent, received } = historyTypes[code];
  const common = { txnId: transfer.id, amountMinor: transfer.amountMinor, currency: transfer.currency, from: payer ?? shownFrom, to: payee, status, ref: transfer.ref, note: movement.note, roomId: movement.roomId, createdAt: transfer.createdAt };
  return [
    ...(payer !== undefined && sent !== undefined ? [{ ...common, userId: payer, type: sent }] : []),
    ...(payee !== undefined && received !== undefined ? [{ ...common, userId: payee, type: received }] : []),
  ];
}

export const createWallet = (deps: WalletDependencies): Wallet => new LedgerWallet(deps);
