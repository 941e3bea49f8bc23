import { runSql, type Transaction } from '../database/index.ts';
import { asUserId } from '../kernel/ids.ts';
import { buryExpired, saveSpace, spaceColumns, spaceFromRow, type SpaceRow } from './repo.ts';
import type { Told } from './types.ts';

type OwnedRow = SpaceRow & { user_id: string; namespace: string };

/** Spaces by their ids, locked; those that somebody else has locked are left for the next time. */
async function lockSpaces(tx: Transaction, ids: readonly number[]): Promise<OwnedRow[]> {
  const lock = tx.dialect === 'postgres' ? ' FOR NO KEY UPDATE SKIP LOCKED' : '';
  return ids.length === 0 ? [] : runSql<OwnedRow>(tx, `SELECT ${spaceColumns}, user_id, namespace FROM storage_space WHERE id IN (${ids.map(() => '?').join(', ')}) ORDER BY id${lock}`, ids);
}

/** Makes tombstones of what has expired, in up to `limit` spaces. */
export async function sweepExpired(tx: Transaction, now: number, limit: number): Promise<Told[]> {
  const due = await runSql<{ id: number }>(tx, 'SELECT id FROM storage_space WHERE next_expiry_at <= ? ORDER BY next_expiry_at LIMIT ?', [now, limit]);
  const told: Told[] = [];
  for (const row of await lockSpaces(tx, due.map(({ id }) => id))) {
    const space = spaceFromRow(row);
    const changes = await buryExpired(tx, space, now);
    await saveSpace(tx, space);
    told.push({ owner: { userId: asUserId(row.user_id), namespace: row.namespace }, changes, rev: space.rev, bySession: undefined });
  }
  return told;
}

/** Forgets deletions from before `before`, in the spaces of the `limit` oldest, and says in their floors that it did. Returns how many there were. */
export async function purgeTombstones(tx: Transaction, before: number, limit: number): Promise<number> {
  let forgotten = 0;
  const old = await runSql<{ space_id: number }>(tx, 'SELECT DISTINCT space_id FROM (SELECT space_id FROM storage_entry WHERE deleted_at < ? ORDER BY deleted_at LIMIT ?) t', [before, limit]);
  for (const row of await lockSpaces(tx, old.map(({ space_id: id }) => id))) {
    const gone = await runSql<{ rev: number }>(tx, 'DELETE FROM storage_entry WHERE space_id = ? AND deleted_at < ? RETURNING rev', [row.id, before]);
    const floor = gone.reduce((highest, { rev }) => Math.max(highest, rev), row.floor);
    await saveSpace(tx, { ...spaceFromRow(row), floor });
    forgotten += gone.length;
  }
  return forgotten;
}

/** Forgets up to `limit` answers that were kept for replays from before `before`. Returns how many there were. */
export async function purgeAnswers(tx: Transaction, before: number, limit: number): Promise<number> {
  return (await runSql(tx, 'DELETE FROM storage_mutation WHERE (space_id, mutation_id) IN (SELECT space_id, mutation_id FROM storage_mutation WHERE created_at < ? LIMIT ?) RETURNING space_id', [before, limit])).length;
}
