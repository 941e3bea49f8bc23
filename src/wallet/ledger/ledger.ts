import type { Transaction } from '../../database/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { newId } from '../../kernel/ids.ts';
import { amountNumber, type Money } from '../../kernel/money.ts';
import { changeAccount, ensureAccount, findTransfer, insertTransfer, lockAccounts, type Account, type AccountOwner, type Change, type LedgerTransfer } from './repo.ts';

/** Money that goes from one account to another. */
export interface Entry extends Money {
  readonly debit: AccountOwner;
  readonly credit: AccountOwner;
  /** What it is for: `p2p`, `gift`, … */
  readonly code: string;
  /** Id of the transfer, gift or payment that it belongs to. */
  readonly ref: string;
  /** Whether it counts towards the limits of the wallet that is debited. */
  readonly limited: boolean;
}

/**
 * Double-entry books: each transfer takes from one account what it gives another, so that the sum over all accounts of a currency
 * is always zero. Everything here is part of the caller's transaction; a refusal is thrown and must roll it back.
 */
export interface Ledger {
  /** At once and for good. @throws AppError INSUFFICIENT_FUNDS */
  transfer(tx: Transaction, entry: Entry): Promise<LedgerTransfer>;
  /** The payer can no longer spend it, and the payee does not have it yet. @throws AppError INSUFFICIENT_FUNDS */
  hold(tx: Transaction, entry: Entry): Promise<LedgerTransfer>;
  /** Ends a hold: the payee has the money. Returns the hold. @throws AppError INVALID_STATE_TRANSITION when it has ended already */
  post(tx: Transaction, holdId: string): Promise<LedgerTransfer>;
  /** Ends a hold: the payer has the money back. Returns the hold. @throws AppError INVALID_STATE_TRANSITION when it has ended already */
  void(tx: Transaction, holdId: string): Promise<LedgerTransfer>;
}

export const availableIn = ({ crPosted, drPosted, drPending }: Account): number => crPosted - drPosted - drPending;

const settled = (): AppError => new AppError('INVALID_STATE_TRANSITION', 'This hold has ended already');

export function insufficient(account: Account | undefined, { amountMinor, currency }: Money): AppError {
  const available = account === undefined ? 0 : availableIn(account);
  return new AppError('INSUFFICIENT_FUNDS', 'Wallet balance too low', { details: { required_amount: amountNumber(amountMinor, currency), available_balance: amountNumber(available, currency), currency } });
}

/** A change that only broken books could refuse. */
async function change(tx: Transaction, id: string, by: Change): Promise<void> {
  if (!(await changeAccount(tx, id, by))) throw new Error(`the books of account ${id} do not add up: run "tmcp wallet audit"`);
}

async function book(tx: Transaction, entry: Entry, kind: 'single' | 'pending', now: number): Promise<LedgerTransfer> {
  const { amountMinor, currency, code, ref, limited } = entry;
  const debit = await ensureAccount(tx, newId('acc'), entry.debit, currency, now);
  const credit = await ensureAccount(tx, newId('acc'), entry.credit, currency, now);
  const accounts = await lockAccounts(tx, [debit, credit]);
  const [taken, given]: [Change, Change] = kind === 'single' ? [{ drPosted: amountMinor }, { crPosted: amountMinor }] : [{ drPending: amountMinor }, { crPending: amountMinor }];
  if (!(await changeAccount(tx, debit, taken))) throw insufficient(accounts.find(({ id }) => id === debit), entry);
  await change(tx, credit, given);
  const transfer: LedgerTransfer = { id: newId('txn'), kind, pendingId: undefined, debit, credit, amountMinor, currency, code, ref, limited, createdAt: now };
  await insertTransfer(tx, transfer);
  return transfer;
}

async function end(tx: Transaction, holdId: string, kind: 'post' | 'void', now: number): Promise<LedgerTransfer> {
  const hold = await findTransfer(tx, holdId);
  if (hold?.kind !== 'pending') throw new Error(`${holdId} is not a hold`);
  const { debit, credit, amountMinor } = hold;
  await lockAccounts(tx, [debit, credit]);
  if (!(await insertTransfer(tx, { ...hold, id: newId('txn'), kind, pendingId: holdId, createdAt: now }))) throw settled();
  const posted = kind === 'post' ? amountMinor : 0;
  await change(tx, debit, { drPending: -amountMinor, drPosted: posted });
  await change(tx, credit, { crPending: -amountMinor, crPosted: posted });
  return hold;
}

export function createLedger(clock: Clock): Ledger {
  return {
    transfer: (tx, entry) => book(tx, entry, 'single', clock.now()),
    hold: (tx, entry) => book(tx, entry, 'pending', clock.now()),
    post: (tx, holdId) => end(tx, holdId, 'post', clock.now()),
    void: (tx, holdId) => end(tx, holdId, 'void', clock.now()),
  };
}
