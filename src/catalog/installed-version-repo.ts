import type { Transaction } from '../database/index.ts';
import type { MiniAppId, UserId } from '../kernel/ids.ts';

export async function setInstalledVersion(tx: Transaction, userId: UserId, miniappId: MiniAppId, version: string): Promise<void> {
  await tx.sql('installation').where({ user_id: userId, miniapp_id: miniappId, state: 'installed' }).update({ version });
}
