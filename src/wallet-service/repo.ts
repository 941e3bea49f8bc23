import { runSql, type Queryable, type Transaction } from '../database/index.ts';

/** What came of a movement; it never changes. */
export interface Outcome {
  readonly key: string;
  readonly termsHash: string;
  readonly kind: string;
  readonly status: 'done' | 'refused';
  readonly txnId: string | undefined;
  /** JSON */
  readonly refusal: string | undefined;
}

interface OutcomeRow {
  key: string;
  terms_hash: string;
  kind: string;
  status: 'done' | 'refused';
  txn_id: string | null;
  refusal: string | null;
}

export async function findOutcome(db: Queryable, key: string): Promise<Outcome | undefined> {
  const [row] = await runSql<OutcomeRow>(db, 'SELECT key, terms_hash, kind, status, txn_id, refusal FROM service_movement WHERE key = ?', [key]);
  return row === undefined ? undefined : { key: row.key, termsHash: row.terms_hash, kind: row.kind, status: row.status, txnId: row.txn_id ?? undefined, refusal: row.refusal ?? undefined };
}

/** Lets no two transactions work on one key at once. On SQLite a transaction is alone anyway. */
export async function claimMovement(tx: Transaction, key: string): Promise<void> {
  if (tx.dialect === 'postgres') await runSql(tx, 'SELECT pg_advisory_xact_lock(hashtextextended(?, 22))', [key]);
}

export async function insertOutcome(tx: Transaction, { key, termsHash, kind, status, txnId, refusal }: Outcome, now: number): Promise<void> {
  await runSql(tx, 'INSERT INTO service_movement (key, terms_hash, kind, status, txn_id, refusal, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)', [key, termsHash, kind, status, txnId ?? null, refusal ?? null, now]);
}
