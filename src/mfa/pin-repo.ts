import type { Queryable, Transaction } from '../database/index.ts';
import { asUserId, type UserId } from '../kernel/ids.ts';

export async function findPinHash(db: Queryable, userId: UserId): Promise<string | undefined> {
  return (await db.sql('mfa_pin').where({ user_id: userId }).first<{ hash: string } | undefined>('hash'))?.hash;
}

/** Whether this is still the user's PIN; on PostgreSQL it stays so until the transaction ends. */
export async function holdPin(tx: Transaction, userId: UserId, hash: string): Promise<boolean> {
  const query = tx.sql('mfa_pin').where({ user_id: userId, hash }).first<{ hash: string } | undefined>('hash');
  return (await (tx.dialect === 'postgres' ? query.forShare() : query)) !== undefined;
}

export async function savePin(tx: Transaction, userId: UserId, hash: string, now: number): Promise<void> {
  await tx.sql('mfa_pin').insert({ user_id: userId, hash, set_at: now }).onConflict('user_id').merge(['hash', 'set_at']);
}

export interface PinReset {
  readonly id: string;
  readonly userId: UserId;
  readonly hash: string;
  readonly requestedAt: number;
  readonly effectiveAt: number;
}

interface ResetRow {
  id: string;
  user_id: string;
  hash: string;
  requested_at: number;
  effective_at: number;
}

const resetFromRow = (row: ResetRow): PinReset => ({ id: row.id, userId: asUserId(row.user_id), hash: row.hash, requestedAt: row.requested_at, effectiveAt: row.effective_at });

export async function insertPinReset(tx: Transaction, reset: PinReset): Promise<void> {
  await tx.sql('mfa_pin_reset').insert({ id: reset.id, user_id: reset.userId, hash: reset.hash, state: 'pending', requested_at: reset.requestedAt, effective_at: reset.effectiveAt });
}

export async function findPendingReset(db: Queryable, where: { readonly user_id: string } | { readonly id: string }): Promise<PinReset | undefined> {
  const row = await db.sql('mfa_pin_reset').where({ ...where, state: 'pending' }).first<ResetRow | undefined>();
  return row === undefined ? undefined : resetFromRow(row);
}

/** Ends a pending reset, whose hash nobody needs any more. False when it was ended before. */
export async function settleReset(tx: Transaction, id: string, state: 'done' | 'cancelled', now: number): Promise<boolean> {
  return (await tx.sql('mfa_pin_reset').where({ id, state: 'pending' }).update({ state, settled_at: now, hash: '' })) === 1;
}
