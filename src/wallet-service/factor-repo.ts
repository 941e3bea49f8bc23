import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

/** A request under its key, as it was first made. */
export interface Call {
  readonly requestMac: string;
  /** Undefined while it runs, or when the process died of it. */
  readonly answerSealed: string | undefined;
  readonly startedAt: number;
}

/** False when the key is known. */
export async function insertCall(tx: Transaction, key: string, requestMac: string, now: number): Promise<boolean> {
  return (await runSql(tx, 'INSERT INTO service_call (key, request_mac, answer_sealed, started_at) VALUES (?, ?, NULL, ?) ON CONFLICT (key) DO NOTHING RETURNING key', [key, requestMac, now])).length === 1;
}

export async function findCall(db: Queryable, key: string): Promise<Call | undefined> {
  const [row] = await runSql<{ request_mac: string; answer_sealed: string | null; started_at: number }>(db, 'SELECT request_mac, answer_sealed, started_at FROM service_call WHERE key = ?', [key]);
  return row === undefined ? undefined : { requestMac: row.request_mac, answerSealed: row.answer_sealed ?? undefined, startedAt: row.started_at };
}

/** Runs a request again that never came to an answer. False when somebody else does. */
export async function takeOverCall(tx: Transaction, key: string, startedAt: number, now: number): Promise<boolean> {
  return (await runSql(tx, 'UPDATE service_call SET started_at = ? WHERE key = ? AND started_at = ? AND answer_sealed IS NULL RETURNING key', [now, key, startedAt])).length === 1;
}

export async function answerCall(db: Queryable, key: string, answerSealed: string): Promise<void> {
  await runSql(db, 'UPDATE service_call SET answer_sealed = ? WHERE key = ?', [answerSealed, key]);
}

export async function deleteCall(db: Queryable, key: string): Promise<void> {
  await runSql(db, 'DELETE FROM service_call WHERE key = ? AND answer_sealed IS NULL', [key]);
}

/** Of a process that died. */
export async function deleteUnanswered(db: Queryable): Promise<void> {
  await runSql(db, 'DELETE FROM service_call WHERE answer_sealed IS NULL', []);
}

export interface ServiceProof {
  readonly id: string;
  readonly userId: UserId;
  readonly termsHash: string;
  readonly expiresAt: number;
}

export async function insertProof(tx: Transaction, { id, userId, termsHash, expiresAt }: ServiceProof): Promise<void> {
  await runSql(tx, 'INSERT INTO service_proof (id, user_id, terms_hash, expires_at) VALUES (?, ?, ?, ?)', [id, userId, termsHash, expiresAt]);
}

/** False unless it is this user's, of these terms, still counts, and was not spent. */
export async function spendProof(tx: Transaction, { id, userId, termsHash }: Omit<ServiceProof, 'expiresAt'>, spentBy: string, now: number): Promise<boolean> {
  return (await runSql(tx, 'UPDATE service_proof SET spent_by = ? WHERE id = ? AND user_id = ? AND terms_hash = ? AND expires_at > ? AND spent_by IS NULL RETURNING id', [spentBy, id, userId, termsHash, now])).length === 1;
}

/** Those that no movement has spent. */
export async function dropProofs(tx: Transaction, userId: UserId): Promise<void> {
  await runSql(tx, 'DELETE FROM service_proof WHERE user_id = ? AND spent_by IS NULL', [userId]);
}

export async function insertFactorChange(tx: Transaction, userId: UserId, id: string, change: string, changedAt: number): Promise<void> {
  await runSql(tx, 'INSERT INTO service_factor_change (id, user_id, change, n, changed_at) SELECT CAST(? AS text), CAST(? AS text), CAST(? AS text), COALESCE(MAX(n), 0) + 1, CAST(? AS bigint) FROM service_factor_change WHERE user_id = ?', [id, userId, change, changedAt, userId]);
}

/** The newest, as JSON, oldest first. */
export async function listFactorChanges(db: Queryable, userId: UserId, count: number): Promise<string[]> {
  const rows = await runSql<{ change: string }>(db, 'SELECT change FROM service_factor_change WHERE user_id = ? ORDER BY n DESC LIMIT ?', [userId, count]);
  return rows.map(({ change }) => change).reverse();
}

/** What nobody can ask for any more. */
export async function purgeFactorCalls(tx: Transaction, before: { readonly calls: number; readonly proofs: number; readonly changes: number }): Promise<void> {
  await runSql(tx, 'DELETE FROM service_call WHERE started_at < ?', [before.calls]);
  await runSql(tx, 'DELETE FROM service_proof WHERE expires_at < ?', [before.proofs]);
  await runSql(tx, 'DELETE FROM service_factor_change WHERE changed_at < ?', [before.changes]);
}
