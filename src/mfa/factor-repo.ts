import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Enrolled } from './types.ts';

/** Locks the user's row, made when it is first needed: who changes factors does so one after another. */
export async function lockUser(tx: Transaction, userId: UserId): Promise<void> {
  await tx.sql('mfa_user').insert({ user_id: userId, limits_lowered_until: 0 }).onConflict('user_id').merge({ user_id: userId });
}

/** When the wallet's limits are the usual ones again, milliseconds since the epoch; 0 when they never were lower. */
export async function findLimitsLoweredUntil(db: Queryable, userId: UserId): Promise<number> {
  const [row] = await runSql<{ limits_lowered_until: number }>(db, 'SELECT limits_lowered_until FROM mfa_user WHERE user_id = ?', [userId]);
  return row?.limits_lowered_until ?? 0;
}

export async function saveLimitsLoweredUntil(tx: Transaction, userId: UserId, until: number): Promise<void> {
  await tx.sql('mfa_user').where({ user_id: userId }).andWhere('limits_lowered_until', '<', until).update({ limits_lowered_until: until });
}

/** Everything that the user has enrolled, in the order of the wire: PIN, devices and passkeys, codes. */
export async function listEnrolled(db: Queryable, userId: UserId): Promise<Enrolled[]> {
  return runSql<Enrolled>(
    db,
    `SELECT 'pin' AS kind, '' AS id, set_at AS since FROM mfa_pin WHERE user_id = ?
     UNION ALL SELECT 'device', device_id, registered_at FROM mfa_device WHERE user_id = ?
     UNION ALL SELECT 'passkey', credential_id, registered_at FROM mfa_passkey WHERE user_id = ?
     UNION ALL SELECT 'totp', '', created_at FROM mfa_totp WHERE user_id = ? AND state = 'active'`,
    [userId, userId, userId, userId],
  );
}
