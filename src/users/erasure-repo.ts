import { runSql, type Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

/** What is deleted with a user, in this order, and by which column; the sessions' tokens before the sessions. */
const deleted: readonly (readonly [table: string, where: string])[] = [
  ['storage_entry', 'space_id IN (SELECT id FROM storage_space WHERE user_id = ?)'],
  ['storage_mutation', 'space_id IN (SELECT id FROM storage_space WHERE user_id = ?)'],
  ['storage_space', 'user_id = ?'],
  ['notice', 'user_id = ?'],
  ['notice_lane', 'user_id = ?'],
  ['notice_feed', 'user_id = ?'],
  ['oidc_entry', 'grant_id IN (SELECT id FROM tep_session WHERE user_id = ?)'],
  ['oidc_entry', 'account_id = ?'],
  ['tep_session', 'user_id = ?'],
  ['browser_session', 'user_id = ?'],
  ['consent_request', 'user_id = ?'],
  ['scope_grant', 'user_id = ?'],
  ['installation', 'user_id = ?'],
  ['applied_update', 'user_id = ?'],
  ['launch_session', 'user_id = ?'],
  ['catalog_room', 'user_id = ?'],
  ['mfa_challenge', 'user_id = ?'],
  ['mfa_ceremony', 'user_id = ?'],
  ['mfa_passkey', 'user_id = ?'],
  ['mfa_device', 'user_id = ?'],
  ['mfa_recovery_code', 'user_id = ?'],
  ['mfa_totp', 'user_id = ?'],
  ['mfa_pin_reset', 'user_id = ?'],
  ['mfa_pin', 'user_id = ?'],
  ['mfa_attempt', 'user_id = ?'],
  ['mfa_user', 'user_id = ?'],
  ['mfa_told_change', 'user_id = ?'],
  ['matrix_grant', 'user_id = ?'],
  ['idempotency_key', 'user_id = ?'],
  ['suspension', 'user_id = ?'],
  ['suspension_appeal', 'user_id = ?'],
  ['developer_session', 'user_id = ?'],
  ['developer_code', 'user_id = ?'],
];

/** Where a pseudonym takes the user's place: the books must go on to sum up, and others' history must go on to be theirs. */
const renamed: readonly (readonly [table: string, column: string])[] = [
  ['wallet_identity', 'user_id'],
  ['wallet', 'user_id'],
  ['ledger_account', 'owner'],
  ['wallet_history', 'user_id'],
  ['wallet_history', 'from_user'],
  ['wallet_history', 'to_user'],
  ['limit_usage', 'user_id'],
  ['p2p_transfer', 'payer'],
  ['p2p_transfer', 'payee'],
  ['gift', 'giver'],
  ['gift', 'recipient'],
  ['gift_share', 'opened_by'],
  ['gift_member', 'user_id'],
  ['payment', 'payer'],
  ['external_account', 'user_id'],
  ['external_order', 'user_id'],
  // What the store counted goes on to be what its rows say.
  ['catalog_use', 'user_id'],
  ['catalog_rating', 'user_id'],
];

/** What people wrote to each other, and where, in rows that stay. */
const silenced: readonly string[] = [
  'UPDATE wallet_history SET note = NULL, room_id = NULL WHERE user_id = ? OR from_user = ? OR to_user = ?',
  'UPDATE p2p_transfer SET note = NULL, reason = NULL, room_id = NULL WHERE payer = ? OR payee = ? OR payer = ?',
  'UPDATE payment SET room_id = NULL, excluded_device = NULL WHERE payer = ? OR payer = ? OR payer = ?',
  `UPDATE external_account SET label = NULL, last_four = NULL, sealed = NULL, fingerprint = id, status = CASE status WHEN 'failed' THEN 'failed' ELSE 'removed' END, expires_at = NULL, ended_at = COALESCE(ended_at, created_at)
   WHERE user_id = ? OR user_id = ? OR user_id = ?`,
  'UPDATE withdrawal_approval SET note = NULL WHERE withdrawal_id IN (SELECT id FROM external_order WHERE user_id = ? OR user_id = ? OR user_id = ?)',
  'UPDATE external_order SET note = NULL, error_message = NULL WHERE user_id = ? OR user_id = ? OR user_id = ?',
  `UPDATE gift SET message = NULL WHERE giver = ? OR recipient = ? OR giver = ?`,
];

export interface Erased {
  readonly table: string;
  readonly rows: number;
}

/** What of a user's money is still under way: it must come to its end first. */
export async function countUnsettled(tx: Transaction, userId: UserId): Promise<{ readonly transfers: number; readonly gifts: number; readonly payments: number; readonly fundings_and_withdrawals: number }> {
  const [row] = await runSql<{ transfers: number; gifts: number; payments: number; fundings_and_withdrawals: number }>(
    tx,
    `SELECT CAST((SELECT COUNT(*) FROM p2p_transfer WHERE (payer = ? OR payee = ?) AND status IN ('pending_authorization', 'processing', 'pending_recipient_acceptance')) AS bigint) AS transfers,
            CAST((SELECT COUNT(*) FROM gift WHERE (giver = ? OR recipient = ?) AND status IN ('pending_authorization', 'processing', 'active', 'partially_opened')) AS bigint) AS gifts,
            CAST((SELECT COUNT(*) FROM payment WHERE payer = ? AND status IN ('pending_authorization', 'mfa_required', 'authorized', 'processing')) AS bigint) AS payments,
            CAST((SELECT COUNT(*) FROM external_order WHERE user_id = ? AND status IN ('pending_authorization', 'pending_approval', 'processing')) AS bigint) AS fundings_and_withdrawals`,
    [userId, userId, userId, userId, userId, userId],
  );
  return row!;
}

/** What is left in the user's accounts, in minor units by currency. The accounts are locked. */
export async function listBalances(tx: Transaction, userId: UserId): Promise<{ readonly currency: string; readonly minor: number }[]> {
  const lock = tx.dialect === 'postgres' ? ' FOR UPDATE' : '';
  const rows = await runSql<{ currency: string; minor: number; held: number }>(tx, `SELECT currency, cr_posted - dr_posted AS minor, dr_pending + cr_pending AS held FROM ledger_account WHERE kind = 'wallet' AND owner = ? ORDER BY id${lock}`, [userId]);
  return rows.filter(({ minor, held }) => minor !== 0 || held !== 0).map(({ currency, minor }) => ({ currency, minor }));
}

/** Takes the user's installations out of the apps' counts; to be called before they are deleted. */
export async function uncountInstallations(tx: Transaction, userId: UserId): Promise<void> {
  await runSql(tx, `UPDATE miniapp SET install_count = install_count - 1 WHERE install_count > 0 AND miniapp_id IN (SELECT miniapp_id FROM installation WHERE user_id = ? AND state = 'installed')`, [userId]);
}

/** Deletes what is the user's own. Returns what went, by table. */
export async function deleteOwn(tx: Transaction, userId: UserId): Promise<Erased[]> {
  const counts = new Map<string, number>();
  for (const [table, where] of deleted) {
    const rows = (await runSql(tx, `DELETE FROM ${table} WHERE ${where} RETURNING 1 AS one`, [userId])).length;
    counts.set(table, (counts.get(table) ?? 0) + rows);
  }
  return [...counts].filter(([, rows]) => rows > 0).map(([table, rows]) => ({ table, rows }));
}

/** Puts the pseudonym in the user's place in what stays. Returns where, by table. */
export async function renameInBooks(tx: Transaction, userId: UserId, pseudonym: string): Promise<Erased[]> {
  for (const sql of silenced) await runSql(tx, sql, [userId, userId, userId]);
  const counts = new Map<string, number>();
  for (const [table, column] of renamed) {
    const rows = (await runSql(tx, `UPDATE ${table} SET ${column} = ? WHERE ${column} = ? RETURNING 1 AS one`, [pseudonym, userId])).length;
    counts.set(table, (counts.get(table) ?? 0) + rows);
  }
  return [...counts].filter(([, rows]) => rows > 0).map(([table, rows]) => ({ table, rows }));
}
