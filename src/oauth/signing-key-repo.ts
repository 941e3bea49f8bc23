import type { Queryable, Transaction } from '../database/index.ts';

export type SigningKeyState = 'next' | 'current' | 'retired';

export interface SigningKeyRow {
  readonly kid: string;
  readonly state: SigningKeyState;
  readonly public_jwk: string;
  readonly private_sealed: string;
  readonly created_at: number;
  readonly current_since: number | null;
  readonly expires_at: number | null;
}

export async function listSigningKeys(db: Queryable): Promise<SigningKeyRow[]> {
  return db.sql('signing_key').orderBy('created_at').select<SigningKeyRow[]>('*');
}

/** Does nothing when there is a key in that state already: another process was first. */
export async function insertSigningKey(db: Queryable, row: SigningKeyRow): Promise<void> {
  await db.sql('signing_key').insert(row).onConflict().ignore();
}

/** current → retired, next → current. False when another process rotated first. */
export async function rotateSigningKeys(tx: Transaction, currentKid: string, nextKid: string, now: number, expiresAt: number): Promise<boolean> {
  const retired = await tx.sql('signing_key').where({ kid: currentKid, state: 'current' }).update({ state: 'retired', expires_at: expiresAt });
  if (retired === 0) return false;
  await tx.sql('signing_key').where({ kid: nextKid, state: 'next' }).update({ state: 'current', current_since: now });
  return true;
}
