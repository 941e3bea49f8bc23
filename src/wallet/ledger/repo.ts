import type { Queryable, Transaction } from '../../database/index.ts';
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

/** Locks accounts in one order everywhere, so that no two transactions wait for each other. On SQLite a transaction owns the database. */
export async function lockAccounts(tx: Transaction, ids: readonly string[]): Promise<Account[]> {
  const query = tx.sql<AccountRow>('ledger_account').whereIn('id', [...new Set(ids)]).orderBy('id');
  return (await (tx.dialect === 'postgres' ? query.forNoKeyUpdate() : query)).map(accountFromRow);
}

export interface Change {
  readonly drPosted?: number;
  readonly crPosted?: number;
  readonly drPending?: number;
  readonly crPending?: number;
}

/** Adds to an account's sums. False, and nothing is written, when the account would be overdrawn. */
export async function changeAccount(tx: Transaction, id: string, { drPosted = 0, crPosted = 0, drPending = 0, crPending = 0 }: Change): Promise<boolean> {
  const result: unknown = await tx.sql.raw(
    `UPDATE ledger_account SET dr_posted = dr_posted + ?, cr_posted = cr_posted + ?, dr_pending = dr_pending + ?, cr_pending = cr_pending + ?
     WHERE id = ? AND (may_overdraw = 1 OR cr_posted + ? - dr_posted - ? - dr_pending - ? >= 0) RETURNING id`,
    [drPosted, crPosted, drPending, crPending, id, crPosted, drPosted, drPending],
  );
  const rows = tx.dialect === 'postgres' ? (result as { rows: object[] }).rows : (result as object[]);
  return rows.length === 1;
}

/** False when it ends a hold that has ended already. */
export async function insertTransfer(tx: Transaction, transfer: LedgerTransfer): Promise<boolean> {
  const rows = await tx
    .sql('ledger_transfer')
    .insert({
      id: transfer.id,
      kind: transfer.kind,
      pending_id: transfer.pendingId ?? null,
      debit: transfer.debit,
      credit: transfer.credit,
      currency: transfer.currency,
      amount: transfer.amountMinor,
      code: transfer.code,
      ref: transfer.ref,
      limited: transfer.limited ? 1 : 0,
      created_at: transfer.createdAt,
    })
    .onConflict('pending_id')
    .ignore()
    .returning<object[]>('id');
  return rows.length === 1;
}

export async function findTransfer(db: Queryable, id: string): Promise<LedgerTransfer | undefined> {
  const row = await db.sql<TransferRow>('ledger_transfer').where({ id }).first();
  return row === undefined ? undefined : transferFromRow(row);
}

/** Whose wallet the account is. Throws for an account that is no user's. */
export async function findOwner(db: Queryable, accountId: string): Promise<UserId> {
  const row = await db.sql<AccountRow>('ledger_account').where({ id: accountId, kind: 'wallet' }).first('owner');
  if (row === undefined) throw new Error(`${accountId} is no user's account`);
  return asUserId(row.owner);
}
