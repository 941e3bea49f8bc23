import type { Queryable, Transaction } from '../database/index.ts';

export interface ReleaseKeyRow {
  readonly key_id: string;
  readonly state: 'current' | 'retired';
  readonly public_jwk: string;
  readonly private_sealed: string;
  readonly created_at: number;
  readonly retired_at: number | null;
}

export async function listReleaseKeys(db: Queryable): Promise<ReleaseKeyRow[]> {
  return db.sql('release_key').orderBy('created_at').select<ReleaseKeyRow[]>('*');
}

/** Does nothing when there is a current one already: another process was first. */
export async function insertReleaseKey(db: Queryable, row: ReleaseKeyRow): Promise<void> {
  await db.sql('release_key').insert(row).onConflict().ignore();
}

export async function retireReleaseKey(tx: Transaction, now: number): Promise<void> {
  await tx.sql('release_key').where({ state: 'current' }).update({ state: 'retired', retired_at: now });
}
