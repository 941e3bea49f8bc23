import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asUserId } from '../kernel/ids.ts';
import type { Owner, SealedValue } from './types.ts';

/** What is sealed: values of entries, and answers that are kept for replays. */
export type Sealed = 'entry' | 'answer';

const tables = {
  entry: { table: 'storage_entry', name: 'key', value: 'value', bytes: 'bytes' },
  answer: { table: 'storage_mutation', name: 'mutation_id', value: 'answer', bytes: 'bytes' },
} as const;

export interface Place {
  readonly spaceId: number;
  readonly name: string;
}

/** The next rows behind `after` that another key than `keyId` seals, all of one space. */
export async function listSealedOtherwise(db: Queryable, what: Sealed, keyId: string, after: Place, limit: number): Promise<(Place & { readonly bytes: number })[]> {
  const { table, name, bytes } = tables[what];
  const rows = await runSql<{ space_id: number; name: string; bytes: number }>(
    db,
    `SELECT space_id, ${name} AS name, ${bytes} AS bytes FROM ${table} WHERE (space_id, ${name}) > (?, ?) AND key_id <> ? ORDER BY space_id, ${name} LIMIT ?`,
    [after.spaceId, after.name, keyId, limit],
  );
  return rows.filter((row) => row.space_id === rows[0]!.space_id).map((row) => ({ spaceId: row.space_id, name: row.name, bytes: row.bytes }));
}

/** Keeps writers out of a space until the transaction ends. Undefined when it is gone. */
export async function lockSpaceById(tx: Transaction, spaceId: number): Promise<Owner | undefined> {
  const lock = tx.dialect === 'postgres' ? ' FOR NO KEY UPDATE' : '';
  const [row] = await runSql<{ user_id: string; namespace: string }>(tx, `SELECT user_id, namespace FROM storage_space WHERE id = ?${lock}`, [spaceId]);
  return row === undefined ? undefined : { userId: asUserId(row.user_id), namespace: row.namespace };
}

export async function findSealed(tx: Transaction, what: Sealed, { spaceId, name }: Place): Promise<SealedValue | undefined> {
  const { table, name: column, value } = tables[what];
  const [row] = await runSql<{ key_id: string | null; value: Buffer | null }>(tx, `SELECT key_id, ${value} AS value FROM ${table} WHERE space_id = ? AND ${column} = ?`, [spaceId, name]);
  return row === undefined || row.key_id === null || row.value === null ? undefined : { keyId: row.key_id, sealed: row.value };
}

export async function replaceSealed(tx: Transaction, what: Sealed, { spaceId, name }: Place, { keyId, sealed }: SealedValue): Promise<void> {
  const { table, name: column, value } = tables[what];
  await runSql(tx, `UPDATE ${table} SET key_id = ?, ${value} = ? WHERE space_id = ? AND ${column} = ?`, [keyId, sealed, spaceId, name]);
}
