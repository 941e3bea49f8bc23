import type { Queryable, Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

/** Whose key, for what: the same text of another user, client or operation is another key (decision D8). */
export interface KeyScope {
  /** Empty for what a mini-app's server or an administrator does. */
  readonly userId: UserId | '';
  readonly clientId: string;
  readonly operation: string;
  readonly key: string;
}

export interface KeptAnswer {
  readonly requestHash: string;
  readonly status: number;
  /** The body, byte for byte. */
  readonly body: string;
}

const columns = ({ userId, clientId, operation, key }: KeyScope) => ({ user_id: userId, client_id: clientId, operation, key });

export async function findAnswer(db: Queryable, scope: KeyScope): Promise<KeptAnswer | undefined> {
  const row = await db.sql('idempotency_key').where(columns(scope)).first<{ request_hash: string; status: number; body: string } | undefined>('request_hash', 'status', 'body');
  return row === undefined ? undefined : { requestHash: row.request_hash, status: row.status, body: row.body };
}

/** False when the key has an answer already. */
export async function insertAnswer(tx: Transaction, scope: KeyScope, answer: KeptAnswer, now: number): Promise<boolean> {
  const row = { ...columns(scope), request_hash: answer.requestHash, status: answer.status, body: answer.body, created_at: now };
  const rows = await tx.sql('idempotency_key').insert(row).onConflict(['user_id', 'client_id', 'operation', 'key']).ignore().returning<object[]>('key');
  return rows.length === 1;
}

/** The answer that is kept from now on. */
export async function replaceAnswer(tx: Transaction, scope: KeyScope, { status, body }: Pick<KeptAnswer, 'status' | 'body'>): Promise<void> {
  await tx.sql('idempotency_key').where(columns(scope)).update({ status, body });
}

/** The key can be used again. */
export async function forgetAnswer(tx: Transaction, scope: KeyScope): Promise<void> {
  await tx.sql('idempotency_key').where(columns(scope)).delete();
}

/** Whether this transaction is the only one with this key now; it stays so until it ends. On SQLite a transaction is alone anyway. */
export async function claimKey(tx: Transaction, name: string): Promise<boolean> {
  if (tx.dialect === 'sqlite') return true;
  const result = await tx.sql.raw<{ rows: { claimed: boolean }[] }>('SELECT pg_try_advisory_xact_lock(hashtextextended(?, 0)) AS claimed', [name]);
  return result.rows[0]?.claimed === true;
}

/** Deletes some of the answers that were kept before a time. Returns how many. */
export async function purgeAnswers(tx: Transaction, before: number, limit: number): Promise<number> {
  const { sql } = tx;
  const old = sql('idempotency_key').where('created_at', '<', before).limit(limit).select('user_id', 'client_id', 'operation', 'key');
  return sql('idempotency_key').whereIn(['user_id', 'client_id', 'operation', 'key'], old).delete();
}
