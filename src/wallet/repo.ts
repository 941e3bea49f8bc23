import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asUserId, type UserId } from '../kernel/ids.ts';
import { asCurrency, type Currency, type Money } from '../kernel/money.ts';
import type { LimitWindow } from './levels.ts';
import type { WalletRecord } from './port.ts';

interface WalletRow {
  user_id: string;
  wallet_id: string;
  currency: string;
  level: number;
  daily_limit_minor: number | null;
  created_at: number;
  activated_at: number | null;
  terms_version: string | null;
  frozen_at: number | null;
  frozen_reason: string | null;
}

const fromRow = (row: WalletRow): WalletRecord => ({
  userId: asUserId(row.user_id),
  walletId: row.wallet_id,
  currency: asCurrency(row.currency),
  level: row.level,
  dailyLimitMinor: row.daily_limit_minor ?? undefined,
  createdAt: row.created_at,
  activatedAt: row.activated_at ?? undefined,
  frozenAt: row.frozen_at ?? undefined,
});

/** The id that access tokens carry already: reserved by the authorization server at a user's first exchange, or here (decision D3). */
export async function reserveWalletId(db: Queryable, userId: UserId, newWalletId: string, now: number): Promise<string> {
  await db.sql('wallet_identity').insert({ user_id: userId, wallet_id: newWalletId, created_at: now }).onConflict('user_id').ignore();
  return (await db.sql<{ user_id: string; wallet_id: string }>('wallet_identity').where({ user_id: userId }).first('wallet_id'))!.wallet_id;
}

/** Writes the wallet where there is none; two requests may try at once. */
export async function insertWallet(tx: Transaction, wallet: Pick<WalletRecord, 'userId' | 'walletId' | 'currency' | 'createdAt'>): Promise<boolean> {
  const rows = await tx
    .sql('wallet')
    .insert({ user_id: wallet.userId, wallet_id: wallet.walletId, currency: wallet.currency, level: 0, created_at: wallet.createdAt })
    .onConflict('user_id')
    .ignore()
    .returning<object[]>('user_id');
  return rows.length === 1;
}

export async function findWallet(db: Queryable, userId: UserId): Promise<WalletRecord | undefined> {
  const [row] = await runSql<WalletRow>(db, 'SELECT * FROM wallet WHERE user_id = ?', [userId]);
  return row === undefined ? undefined : fromRow(row);
}

export async function listWallets(db: Queryable, userIds: readonly UserId[]): Promise<Map<UserId, WalletRecord>> {
  const rows = await db.sql<WalletRow>('wallet').whereIn('user_id', userIds);
  return new Map(rows.map((row) => [asUserId(row.user_id), fromRow(row)]));
}

/** The wallets, held as they are until the transaction ends: whoever freezes one waits, or is seen. */
export async function holdWallets(tx: Transaction, userIds: readonly UserId[]): Promise<Map<UserId, WalletRecord>> {
  if (userIds.length === 0) return new Map();
  const rows = await runSql<WalletRow>(tx, `SELECT * FROM wallet WHERE user_id IN (${userIds.map(() => '?').join(', ')}) ORDER BY user_id ${tx.dialect === 'postgres' ? 'FOR SHARE' : ''}`, userIds);
  return new Map(rows.map((row) => [asUserId(row.user_id), fromRow(row)]));
}

export async function setOwnDailyLimit(tx: Transaction, userId: UserId, dailyLimitMinor: number): Promise<void> {
  await tx.sql('wallet').where({ user_id: userId }).update({ daily_limit_minor: dailyLimitMinor });
}

/** False when it was activated before. */
export async function markActivated(tx: Transaction, userId: UserId, level: number, termsVersion: string | undefined, now: number): Promise<boolean> {
  return (await tx.sql('wallet').where({ user_id: userId, activated_at: null }).update({ activated_at: now, level, terms_version: termsVersion ?? null })) === 1;
}

/** False for a wallet that is not there or not activated. */
export async function setLevel(tx: Transaction, userId: UserId, level: number): Promise<boolean> {
  return (await tx.sql('wallet').where({ user_id: userId }).whereNotNull('activated_at').update({ level })) === 1;
}

/** False when there is no such wallet, or it is in that state already. */
export async function setFrozen(tx: Transaction, userId: UserId, frozen: { readonly at: number; readonly reason: string } | undefined): Promise<boolean> {
  const query = tx.sql('wallet').where({ user_id: userId });
  void (frozen === undefined ? query.whereNotNull('frozen_at') : query.whereNull('frozen_at'));
  return (await query.update({ frozen_at: frozen?.at ?? null, frozen_reason: frozen?.reason ?? null })) === 1;
}

export interface LimitUsage {
  readonly used: number;
  readonly reserved: number;
}

const limitKey = (userId: UserId, currency: Currency, { period, startsAt }: LimitWindow) => ({ user_id: userId, currency, period, starts_at: startsAt });

export async function findLimitUsage(db: Queryable, userId: UserId, currency: Currency, window: LimitWindow): Promise<LimitUsage> {
  const row = await db.sql<LimitUsage>('limit_usage').where(limitKey(userId, currency, window)).first('used', 'reserved');
  return row ?? { used: 0, reserved: 0 };
}

/** Counts an amount towards the windows unless that would go over the limit of one; returns those that took it. Then nothing may be committed unless all did. */
export async function countTowardsLimits(tx: Transaction, userId: UserId, { amountMinor, currency }: Money, windows: readonly (LimitWindow & { readonly limit: number })[], as: 'used' | 'reserved'): Promise<LimitWindow['period'][]> {
  const open = windows.filter(({ limit }) => amountMinor <= limit);
  if (open.length < windows.length) return open.map(({ period }) => period);
  const [used, reserved] = as === 'used' ? [amountMinor, 0] : [0, amountMinor];
  const rows = await runSql<{ period: LimitWindow['period'] }>(
    tx,
    `INSERT INTO limit_usage (user_id, currency, period, starts_at, used, reserved) VALUES ${windows.map(() => '(?, ?, ?, ?, ?, ?)').join(', ')}
     ON CONFLICT (user_id, currency, period, starts_at) DO UPDATE SET used = limit_usage.used + excluded.used, reserved = limit_usage.reserved + excluded.reserved
     WHERE limit_usage.used + limit_usage.reserved + excluded.used + excluded.reserved <= CASE limit_usage.period ${windows.map(() => 'WHEN ? THEN CAST(? AS bigint)').join(' ')} END RETURNING period`,
    [...windows.flatMap(({ period, startsAt }) => [userId, currency, period, startsAt, used, reserved]), ...windows.flatMap(({ period, limit }) => [period, limit])],
  );
  return rows.map(({ period }) => period);
}

/** What was reserved is spent, or free again. */
export async function endReservation(tx: Transaction, userId: UserId, { amountMinor, currency }: Money, window: LimitWindow, spent: boolean): Promise<void> {
  await tx.sql('limit_usage').where(limitKey(userId, currency, window)).update({ reserved: tx.sql.raw('reserved - ?', [amountMinor]), used: tx.sql.raw('used + ?', [spent ? amountMinor : 0]) });
}

/** Part of what was spent in that window came back. */
export async function giveBackUse(tx: Transaction, userId: UserId, { amountMinor, currency }: Money, window: LimitWindow): Promise<void> {
  await tx.sql('limit_usage').where(limitKey(userId, currency, window)).decrement('used', amountMinor);
}
