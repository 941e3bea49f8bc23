import { runSql, type Transaction } from '../database/index.ts';
import type { SealedValue } from './types.ts';

export async function findAnswer(tx: Transaction, spaceId: number, mutationId: string): Promise<SealedValue | undefined> {
  const [row] = await runSql<{ key_id: string; answer: Buffer }>(tx, 'SELECT key_id, answer FROM storage_mutation WHERE space_id = ? AND mutation_id = ?', [spaceId, mutationId]);
  return row === undefined ? undefined : { keyId: row.key_id, sealed: row.answer };
}

export interface KeptAnswer {
  readonly mutationId: string;
  readonly seq: number;
  readonly at: number;
  readonly answer: SealedValue;
}

export async function keepAnswer(tx: Transaction, spaceId: number, { mutationId, seq, at, answer }: KeptAnswer): Promise<void> {
  await runSql(tx, 'INSERT INTO storage_mutation (space_id, mutation_id, seq, created_at, bytes, key_id, answer) VALUES (?, ?, ?, ?, ?, ?, ?)', [spaceId, mutationId, seq, at, answer.sealed.length, answer.keyId, answer.sealed]);
}

/** Forgets all but the latest `count` answers, and of these what is beyond `maxBytes`. */
export async function trimAnswers(tx: Transaction, spaceId: number, count: number, maxBytes: number): Promise<void> {
  await runSql(
    tx,
    `DELETE FROM storage_mutation WHERE space_id = ? AND mutation_id IN
       (SELECT mutation_id FROM (SELECT mutation_id, row_number() OVER (ORDER BY seq DESC) AS n, SUM(bytes) OVER (ORDER BY seq DESC) AS total FROM storage_mutation WHERE space_id = ?) r WHERE r.n > ? OR r.total > ?)`,
    [spaceId, spaceId, count, maxBytes],
  );
}
