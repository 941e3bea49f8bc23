import { runSql, type Database, type Transaction } from '../../database/index.ts';
import type { WireAccount } from './wire.ts';

/** Why a wallet is frozen here that the service has suspended. One that an administrator froze stays frozen, whatever the service says. */
const byService = 'the wallet service suspended it';

/** Takes over what the service last said of an account: what the checks inside of transactions see. */
export async function mirrorAccount(tx: Transaction, account: WireAccount, now: number): Promise<void> {
  const { user_id: userId, wallet_id: walletId, currency, user_status: status } = account;
  const createdAt = Date.parse(account.created_at);
  const activatedAt = account.level === 0 ? null : account.activated_at === undefined ? createdAt : Date.parse(account.activated_at);
  // A wallet id that is somebody else's here changes nothing: whose money it is says the user id.
  await runSql(tx, 'INSERT INTO wallet (user_id, wallet_id, currency, level, created_at, activated_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING', [userId, walletId, currency, account.level, createdAt, activatedAt]);
  await runSql(tx, 'UPDATE wallet SET currency = ?, level = ?, activated_at = ? WHERE user_id = ? AND (currency <> ? OR level <> ? OR COALESCE(activated_at, 0) <> ?)', [currency, account.level, activatedAt, userId, currency, account.level, activatedAt ?? 0]);
  await runSql(tx, 'UPDATE wallet_identity SET wallet_id = ? WHERE user_id = ? AND wallet_id <> ? AND NOT EXISTS (SELECT 1 FROM wallet_identity AS other WHERE other.wallet_id = ?)', [walletId, userId, walletId, walletId]);
  if (status === 'suspended' || account.wallet_status === 'suspended') await runSql(tx, 'UPDATE wallet SET frozen_at = ?, frozen_reason = ? WHERE user_id = ? AND frozen_at IS NULL', [now, byService, userId]);
  else await runSql(tx, 'UPDATE wallet SET frozen_at = NULL, frozen_reason = NULL WHERE user_id = ? AND frozen_reason = ?', [userId, byService]);
}

export const mirrorAccounts = (database: Database, accounts: readonly WireAccount[], now: number): Promise<void> =>
  database.inTransaction(async (tx) => {
    for (const account of accounts) await mirrorAccount(tx, account, now);
  });
