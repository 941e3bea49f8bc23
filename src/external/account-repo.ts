import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asUserId, type UserId } from '../kernel/ids.ts';
import { asCurrency } from '../kernel/money.ts';
import type { AccountStatus } from './machines.ts';
import type { AccountType, ExternalAccount } from './types.ts';

interface AccountRow {
  id: string;
  user_id: string;
  provider: string;
  type: AccountType;
  currency: string;
  label: string | null;
  last_four: string | null;
  sealed: string | null;
  fingerprint: string;
  status: AccountStatus;
  attempts: number;
  begun_at: number | null;
  error_code: string | null;
  created_at: number;
  expires_at: number | null;
  verified_at: number | null;
  ended_at: number | null;
}

const fromRow = (row: AccountRow): ExternalAccount => ({
  id: row.id,
  userId: asUserId(row.user_id),
  provider: row.provider,
  type: row.type,
  currency: asCurrency(row.currency),
  label: row.label ?? undefined,
  lastFour: row.last_four ?? '',
  sealed: row.sealed ?? undefined,
  fingerprint: row.fingerprint,
  status: row.status,
  attempts: row.attempts,
  begunAt: row.begun_at ?? undefined,
  errorCode: row.error_code ?? undefined,
  createdAt: row.created_at,
  expiresAt: row.expires_at ?? undefined,
  verifiedAt: row.verified_at ?? undefined,
  endedAt: row.ended_at ?? undefined,
});

const toRow = (account: ExternalAccount): AccountRow => ({
  id: account.id,
  user_id: account.userId,
  provider: account.provider,
  type: account.type,
  currency: account.currency,
  label: account.label ?? null,
  last_four: account.lastFour,
  sealed: account.sealed ?? null,
  fingerprint: account.fingerprint,
  status: account.status,
  attempts: account.attempts,
  begun_at: account.begunAt ?? null,
  error_code: account.errorCode ?? null,
  created_at: account.createdAt,
  expires_at: account.expiresAt ?? null,
  verified_at: account.verifiedAt ?? null,
  ended_at: account.endedAt ?? null,
});

/** False when the user has linked this very account already. */
export async function insertAccount(tx: Transaction, account: ExternalAccount): Promise<boolean> {
  const row = toRow(account);
  const columns = Object.keys(row);
  const rows = await runSql(tx, `INSERT INTO external_account (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')}) ON CONFLICT DO NOTHING RETURNING id`, Object.values(row));
  return rows.length === 1;
}

export async function findAccount(db: Queryable, id: string): Promise<ExternalAccount | undefined> {
  const [row] = await runSql<AccountRow>(db, 'SELECT * FROM external_account WHERE id = ?', [id]);
  return row === undefined ? undefined : fromRow(row);
}

/** The account, locked: it is neither removed nor verified by anybody else until this transaction ends. */
export async function lockAccount(tx: Transaction, id: string): Promise<ExternalAccount | undefined> {
  const [row] = await runSql<AccountRow>(tx, `SELECT * FROM external_account WHERE id = ? ${tx.dialect === 'postgres' ? 'FOR NO KEY UPDATE' : ''}`, [id]);
  return row === undefined ? undefined : fromRow(row);
}

/** Writes where it stands now. The row is locked. */
export async function saveAccount(tx: Transaction, { id, status, sealed, attempts, begunAt, errorCode, expiresAt, verifiedAt, endedAt }: ExternalAccount): Promise<void> {
  const values = [status, sealed ?? null, attempts, begunAt ?? null, errorCode ?? null, expiresAt ?? null, verifiedAt ?? null, endedAt ?? null];
  await runSql(tx, 'UPDATE external_account SET status = ?, sealed = ?, attempts = ?, begun_at = ?, error_code = ?, expires_at = ?, verified_at = ?, ended_at = ? WHERE id = ? RETURNING id', [...values, id]);
}

/** Those that the user still has, or whose verification failed a short while ago; the newest first. */
export async function listAccounts(db: Queryable, userId: UserId, failedSince: number): Promise<ExternalAccount[]> {
  const rows = await runSql<AccountRow>(
    db,
    `SELECT * FROM external_account WHERE user_id = ? AND (status IN ('pending_authorization', 'pending_verification', 'verified') OR (status = 'failed' AND ended_at > ?)) ORDER BY created_at DESC, id DESC`,
    [userId, failedSince],
  );
  return rows.map(fromRow);
}
