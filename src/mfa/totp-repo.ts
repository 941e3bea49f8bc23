import type { Queryable, Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

export interface Totp {
  readonly id: string;
  readonly secretSealed: string;
  readonly lastStep: number | undefined;
  readonly allowedBy: string;
  readonly createdAt: number;
}

interface TotpRow {
  id: string;
  secret_sealed: string;
  last_step: number | null;
  allowed_by: string;
  created_at: number;
}

export async function findTotp(db: Queryable, userId: UserId, state: 'pending' | 'active'): Promise<Totp | undefined> {
  const row = await db.sql('mfa_totp').where({ user_id: userId, state }).first<TotpRow | undefined>();
  return row === undefined ? undefined : { id: row.id, secretSealed: row.secret_sealed, lastStep: row.last_step ?? undefined, allowedBy: row.allowed_by, createdAt: row.created_at };
}

/** An enrolment that is still to be confirmed; an earlier one is forgotten. */
export async function savePendingTotp(tx: Transaction, userId: UserId, totp: Omit<Totp, 'lastStep'>): Promise<void> {
  const row = { id: totp.id, secret_sealed: totp.secretSealed, last_step: null, allowed_by: totp.allowedBy, created_at: totp.createdAt };
  await tx.sql('mfa_totp').insert({ user_id: userId, state: 'pending', ...row }).onConflict(['user_id', 'state']).merge(row);
}

/** Puts a pending enrolment in the place of the active one. False when it is not there any more. */
export async function activateTotp(tx: Transaction, userId: UserId, id: string, lastStep: number, now: number): Promise<boolean> {
  await tx.sql('mfa_totp').where({ user_id: userId, state: 'active' }).whereNot({ id }).delete();
  return (await tx.sql('mfa_totp').where({ user_id: userId, id, state: 'pending' }).update({ state: 'active', last_step: lastStep, created_at: now })) === 1;
}

/** Spends a time step, and with it all before: false when this or a later one was spent, or the factor is another by now. */
export async function spendStep(tx: Transaction, id: string, step: number): Promise<boolean> {
  return (
    (await tx
      .sql('mfa_totp')
      .where({ id, state: 'active' })
      .andWhere((query) => void query.whereNull('last_step').orWhere('last_step', '<', step))
      .update({ last_step: step })) === 1
  );
}

/** Returns whether there was an active one. */
export async function deleteTotp(tx: Transaction, userId: UserId): Promise<boolean> {
  await tx.sql('mfa_totp').where({ user_id: userId, state: 'pending' }).delete();
  return (await tx.sql('mfa_totp').where({ user_id: userId, state: 'active' }).delete()) === 1;
}

export async function replaceRecoveryCodes(tx: Transaction, userId: UserId, hashes: readonly string[]): Promise<void> {
  await tx.sql('mfa_recovery_code').where({ user_id: userId }).delete();
  if (hashes.length > 0) await tx.sql('mfa_recovery_code').insert(hashes.map((hash) => ({ user_id: userId, code_hash: hash, used_at: null })));
}

export async function isRecoveryCode(db: Queryable, userId: UserId, hash: string): Promise<boolean> {
  return (await db.sql('mfa_recovery_code').where({ user_id: userId, code_hash: hash, used_at: null }).first('code_hash')) !== undefined;
}

/** False when it was used before. */
export async function useRecoveryCode(tx: Transaction, userId: UserId, hash: string, now: number): Promise<boolean> {
  return (await tx.sql('mfa_recovery_code').where({ user_id: userId, code_hash: hash, used_at: null }).update({ used_at: now })) === 1;
}

export async function countRecoveryCodes(db: Queryable, userId: UserId): Promise<number> {
  const rows = await db.sql('mfa_recovery_code').where({ user_id: userId, used_at: null }).count<{ count: number | string }[]>({ count: '*' });
  return Number(rows[0]?.count ?? 0);
}
