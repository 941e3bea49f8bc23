import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { miniappFromRow, type MiniApp, type MiniAppRow } from '../miniapps/index.ts';

export async function isMirrored(db: Queryable, miniappId: string): Promise<boolean> {
  return (await runSql(db, 'SELECT 1 FROM catalog_entry WHERE miniapp_id = ? AND mirrored = 1', [miniappId])).length === 1;
}

export async function countMirrored(db: Queryable): Promise<number> {
  return Number((await runSql<{ count: number }>(db, 'SELECT count(*) AS count FROM catalog_entry WHERE mirrored = 1'))[0]?.count ?? 0);
}

export async function setMirrored(tx: Transaction, ids: readonly string[], mirrored: boolean): Promise<void> {
  if (ids.length > 0) await tx.sql('catalog_entry').whereIn('miniapp_id', [...ids]).update({ mirrored: mirrored ? 1 : 0 });
}

/** What the room shows, best ranked first. */
export async function listMirrored(db: Queryable): Promise<MiniApp[]> {
  const rows = await db.sql<MiniAppRow>('catalog_entry as e').join('miniapp as m', 'm.miniapp_id', 'e.miniapp_id').where('e.mirrored', 1).orderBy([{ column: 'e.score', order: 'desc' }, 'e.seq']).select<MiniAppRow[]>('m.*');
  return rows.map(miniappFromRow);
}

/** Ids of the best ranked apps, and which of them the room shows already. */
export async function listBestRanked(db: Queryable, limit: number): Promise<{ miniappId: string; mirrored: boolean }[]> {
  const rows = await runSql<{ miniapp_id: string; mirrored: number }>(db, 'SELECT miniapp_id, mirrored FROM catalog_entry WHERE listed = 1 ORDER BY score DESC, seq LIMIT ?', [limit]);
  return rows.map(({ miniapp_id: miniappId, mirrored }) => ({ miniappId, mirrored: mirrored === 1 }));
}

/** Ids of what the room shows, worst first: what is not in the store any more, then by score. */
export async function listMirroredIds(db: Queryable): Promise<string[]> {
  return (await runSql<{ miniapp_id: string }>(db, 'SELECT miniapp_id FROM catalog_entry WHERE mirrored = 1 ORDER BY listed, score, seq DESC')).map(({ miniapp_id }) => miniapp_id);
}

export async function listByIds(db: Queryable, ids: readonly string[]): Promise<MiniApp[]> {
  return ids.length === 0 ? [] : (await db.sql<MiniAppRow>('miniapp').whereIn('miniapp_id', [...ids])).map(miniappFromRow);
}
