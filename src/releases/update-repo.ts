import type { Queryable, Transaction } from '../database/index.ts';
import type { MiniAppId, UserId } from '../kernel/ids.ts';
import { miniappFromRow, type MiniApp, type MiniAppRow } from '../miniapps/index.ts';

/** False when the user's clients have had that version, or a later one, before. */
export async function noteApplied(tx: Transaction, userId: UserId, miniappId: MiniAppId, versionCode: number, now: number): Promise<boolean> {
  const rows = await tx
    .sql('applied_update')
    .insert({ user_id: userId, miniapp_id: miniappId, version_code: versionCode, applied_at: now })
    .onConflict(['user_id', 'miniapp_id'])
    .merge()
    .where('applied_update.version_code', '<', versionCode)
    .returning<object[]>('miniapp_id');
  return rows.length === 1;
}

export async function listActiveApps(db: Queryable, miniappIds: readonly string[]): Promise<MiniApp[]> {
  return (await db.sql<MiniAppRow>('miniapp').whereIn('miniapp_id', [...miniappIds]).andWhere('status', 'active')).map(miniappFromRow);
}

/** What every client has, in the order in which it is shown. */
export async function listOfficialApps(db: Queryable): Promise<MiniApp[]> {
  const rows = await db.sql<MiniAppRow>('miniapp').whereNot('install_mode', 'optional').andWhere({ status: 'active', classification: 'official' }).orderBy(['display_order', 'miniapp_id']);
  return rows.map(miniappFromRow);
}
