import type { Queryable, Transaction } from '../database/index.ts';

export interface StoredBundle {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly files: readonly string[];
}

interface BundleRow {
  sha256: string;
  state: 'pending' | 'stored' | 'removing';
  size_bytes: number;
  files: string;
  touched_at: number;
}

const table = (db: Queryable) => db.sql<BundleRow>('bundle');

/** Says that the bytes are about to be stored. False while they are being removed. */
export async function beginBundle(tx: Transaction, { sha256, sizeBytes, files }: StoredBundle, now: number): Promise<boolean> {
  await tx.sql('bundle').insert({ sha256, state: 'pending', size_bytes: sizeBytes, files: JSON.stringify(files), touched_at: now }).onConflict('sha256').ignore();
  return (await table(tx).where({ sha256 }).whereNot('state', 'removing').update({ touched_at: now })) === 1;
}

/** False when they are not there, or are going. */
export async function confirmBundle(tx: Transaction, sha256: string): Promise<boolean> {
  return (await table(tx).where({ sha256 }).whereNot('state', 'removing').update({ state: 'stored' })) === 1;
}

export async function findBundle(db: Queryable, sha256: string): Promise<StoredBundle | undefined> {
  const row = await table(db).where({ sha256, state: 'stored' }).first();
  return row === undefined ? undefined : { sha256, sizeBytes: row.size_bytes, files: JSON.parse(row.files) as string[] };
}

/** Marks what no version refers to since `before`. Returns it. */
export async function markAbandoned(tx: Transaction, before: number): Promise<string[]> {
  const rows = await tx.sql('bundle').where({ state: 'pending' }).andWhere('touched_at', '<', before).update({ state: 'removing' }).returning<{ sha256: string }[]>('sha256');
  return rows.map(({ sha256 }) => sha256);
}

export async function deleteRemoved(tx: Transaction, sha256: string): Promise<void> {
  await table(tx).where({ sha256, state: 'removing' }).delete();
}
