import { runSql, type Queryable, type Transaction } from '../../database/index.ts';
import { asUserId, type UserId } from '../../kernel/ids.ts';
import { asCurrency, type Currency, type Money } from '../../kernel/money.ts';

export type AccountKind = 'wallet' | 'merchant' | 'gift_escrow' | 'equity' | 'fees' | 'external';

/** Whose account: a user's, a mini-app's or a gift's id, or the empty text for the server's own. */
export interface AccountOwner {
  readonly kind: AccountKind;
  readonly owner: string;
}

/** Sums of one account, in minor units. What can be spent is credits less debits less held debits. */
export interface Account extends AccountOwner {
  readonly id: string;
  readonly currency: Currency;
  readonly drPosted: number;
  readonly crPosted: number;
  readonly drPending: number;
  readonly crPending: number;
}

export type LedgerTransferKind = 'single' | 'pending' | 'post' | 'void';

export interface LedgerTransfer extends Money {
  readonly id: string;
  readonly kind: LedgerTransferKind;
  readonly pendingId: string | undefined;
  readonly debit: string;
  readonly credit: string;
  readonly code: string;
  readonly ref: string;
  readonly limited: boolean;
  readonly createdAt: number;
}

interface AccountRow {
  id: string;
  kind: AccountKind;
  owner: string;
  currency: string;
  dr_posted: number;
  cr_posted: number;
  dr_pending: number;
  cr_pending: number;
}

interface TransferRow {
  id: string;
  kind: LedgerTransferKind;
  pending_id: string | null;
  debit: string;
  credit: string;
  currency: string;
  amount: number;
  code: string;
  ref: string;
  limited: number;
  created_at: number;
}

const accountFromRow = (row: AccountRow): Account => ({
  id: row.id,
  kind: row.kind,
  owner: row.owner,
  currency: asCurrency(row.currency),
  drPosted: row.dr_posted,
  crPosted: row.cr_posted,
  drPending: row.dr_pending,
  crPending: row.cr_pending,
});

const transferFromRow = (row: TransferRow): LedgerTransfer => ({
  id: row.id,
  kind: row.kind,
  pendingId: row.pending_id ?? undefined,
  debit: row.debit,
  credit: row.credit,
  amountMinor: row.amount,
  currency: asCurrency(row.currency),
  code: row.code,
  ref: row.ref,
  limited: row.limited === 1,
  createdAt: row.created_at,
});

/** Only accounts whose other side is outside may go below zero. */
const overdrawable: readonly AccountKind[] = ['equity', 'external'];

/** Makes the account if there is none yet. To be called before any account is locked, so that no two transactions wait for each other. */
export async function ensureAccount(tx: Transaction, newAccountId: string, { kind, owner }: AccountOwner, currency: Currency, now: number): Promise<string> {
  const where = { kind, owner, currency };
  const find = () => tx.sql<AccountRow>('ledger_account').where(where).first('id');
  const known = await find();
  if (known !== undefined) return known.id;
  await tx
    .sql('ledger_account')
    .insert({ id: newAccountId, ...where, may_overdraw: overdrawable.includes(kind) ? 1 : 0, created_at: now })
    .onConflict(['kind', 'owner', 'currency'])
    .ignore();
  return (await find())!.id;
}

export async function listAccounts(db: Queryable, owner: AccountOwner): Promise<Account[]> {
  return (await db.sql<AccountRow>('ledger_account').where({ kind: owner.kind, owner: owner.owner }).orderBy('currency')).map(accountFromRow);
}

export async function findAccount(db: Queryable, { kind, owner }: AccountOwner, currency: Currency): Promise<Account | undefined> {
  const row = await db.sql<AccountRow>('ledger_account').where({ kind, owner, currency }).first();
  return row === undefined ? undefined : accountFromRow(row);
}

/** The two sides of a transfer. */
export interface Sides {
  readonly debit: Account;
  readonly credit: Account;
}

/**
 * Locks both accounts, in one order everywhere, so that no two transactions wait for each other. Undefined while one is still to be
 * made. On SQLite a transaction owns the database, and without an order it finds both by their index.
 */
export async function lockSides(tx: Transaction, debit: AccountOwner, credit: AccountOwner, currency: Currency): Promise<Sides | undefined> {
  const rows = await runSql<AccountRow>(
    tx,
    `SELECT id, kind, owner, currency, dr_posted, cr_posted, dr_pending, cr_pending FROM ledger_account
     WHERE (kind = ? AND owner = ? AND currency = ?) OR (kind = ? AND owner = ? AND currency = ?) ${tx.dialect === 'postgres' ? 'ORDER BY id FOR NO KEY UPDATE' : ''}`,
    [debit.kind, debit.owner, currency, credit.kind, credit.owner, currency],
  );
  const accounts = rows.map(accountFromRow);
  const find = (owner: AccountOwner): Account | undefined => accounts.find((account) => account.kind === owner.kind && account.owner === owner.owner);
  const [taken, given] = [find(debit), find(credit)];
  return taken === undefined || given === undefined ? undefined : { debit: taken, credit: given };
}

/** Locks the accounts of a hold. */
export async function lockAccounts(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (tx.dialect === 'postgres') await tx.sql('ledger_account').whereIn('id', ids).orderBy('id').forNoKeyUpdate().select('id');
}

/**
 * Adds to both accounts what one gives and the other gets: as posted, as pending, or from the one to the other. False, and then
 * the transaction must be rolled back, when the account that gives would be overdrawn.
 */
export async function moveBetween(tx: Transaction, debit: string, credit: string, { posted, pending }: { readonly posted: number; readonly pending: number }): Promise<boolean> {
  const total = posted + pending;
  const rows = await runSql(
    tx,
    `UPDATE ledger_account SET
       dr_posted = dr_posted + CASE WHEN id = ? THEN CAST(? AS bigint) ELSE 0 END, dr_pending = dr_pending + CASE WHEN id = ? THEN CAST(? AS bigint) ELSE 0 END,
       cr_posted = cr_posted + CASE WHEN id = ? THEN CAST(? AS bigint) ELSE 0 END, cr_pending = cr_pending + CASE WHEN id = ? THEN CAST(? AS bigint) ELSE 0 END
     WHERE id IN (?, ?) AND (id = ? OR may_overdraw = 1 OR cr_posted - dr_posted - dr_pending >= CAST(? AS bigint)) RETURNING id`,
    [debit, posted, debit, pending, credit, posted, credit, pending, debit, credit, credit, total],
  );
  return rows.length === 2;
}

/** False when it ends a hold that has ended already. */
export async function insertTransfer(tx: Transaction, transfer: LedgerTransfer): Promise<boolean> {
  const { id, kind, pendingId, debit, credit, currency, amountMinor, code, ref, limited, createdAt } = transfer;
  const rows = await runSql(
    tx,
    `INSERT INTO ledger_transfer (id, kind, pending_id, debit, credit, currency, amount, code, ref, limited, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (pending_id) DO NOTHING RETURNING id`,
    [id, kind, pendingId ?? null, debit, credit, currency, amountMinor, code, ref, limited ? 1 : 0, createdAt],
  );
  return rows.length === 1;
}

export async function findTransfer(db: Queryable, id: string): Promise<LedgerTransfer | undefined> {
  const row = await db.sql<TransferRow>('ledger_transfer').where({ id }).first();
  return row === undefined ? undefined : transferFromRow(row);
}

/** Whose wallet the account is; undefined for an account that is no user's. */
export async function findUserOf(db: Queryable, accountId: string): Promise<UserId | undefined> {
  const row = await db.sql<AccountRow>('ledger_account').where({ id: accountId, kind: 'wallet' }).first('owner');
  return row === undefined ? undefined : asUserId(row.owner);
}

/** The same of an account that can only be a user's. */
export async function findOwner(db: Queryable, accountId: string): Promise<UserId> {
  const owner = await findUserOf(db, accountId);
  if (owner === undefined) throw new Error(`${accountId} is no user's account`);
  return owner;
}
