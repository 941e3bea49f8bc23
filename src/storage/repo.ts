import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Change, Entry, Owner, SealedEntry, SealedValue, Space } from './types.ts';

export interface SpaceRow {
  id: number;
  bytes: number;
  keys: number;
  rev: number;
  floor: number;
  next_expiry_at: number | null;
  mutations: number;
}

interface EntryRow {
  key: string;
  rev: number;
  written_at: number;
  created_at: number;
  updated_at: number;
  expires_at: number | null;
  deleted_at: number | null;
  bytes: number;
  content_type: string | null;
}

type SealedRow = EntryRow & { key_id: string | null; value: Buffer | null };

export const spaceColumns = 'id, bytes, keys, rev, floor, next_expiry_at, mutations';
const entryColumns = 'e.key, e.rev, e.written_at, e.created_at, e.updated_at, e.expires_at, e.deleted_at, e.bytes, e.content_type';
const sealedColumns = `${entryColumns}, e.key_id, e.value`;
/** There for whoever reads at the time of the binding, whether or not anybody has buried what expired. */
const isLive = 'e.deleted_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > ?)';
const ofOwner = 'storage_space s JOIN storage_entry e ON e.space_id = s.id WHERE s.user_id = ? AND s.namespace = ?';

export const spaceFromRow = (row: SpaceRow): Space => ({ id: row.id, bytes: row.bytes, keys: row.keys, rev: row.rev, floor: row.floor, nextExpiryAt: row.next_expiry_at ?? undefined, mutations: row.mutations });

const entryFromRow = (row: EntryRow): Entry => ({
  key: row.key,
  rev: row.rev,
  writtenAt: row.written_at,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  expiresAt: row.expires_at ?? undefined,
  deletedAt: row.deleted_at ?? undefined,
  bytes: row.bytes,
  contentType: row.content_type ?? undefined,
});

const sealedFromRow = (row: SealedRow): SealedEntry => Object.assign(entryFromRow(row), { value: row.key_id === null || row.value === null ? undefined : { keyId: row.key_id, sealed: row.value } });

export async function findSpace(db: Queryable, { userId, namespace }: Owner): Promise<Space | undefined> {
  const [row] = await runSql<SpaceRow>(db, `SELECT ${spaceColumns} FROM storage_space WHERE user_id = ? AND namespace = ?`, [userId, namespace]);
  return row === undefined ? undefined : spaceFromRow(row);
}

/** The counters, locked until the transaction ends: one user's writes to one mini-app run one after another. Makes them if there are none. */
export async function lockSpace(tx: Transaction, { userId, namespace }: Owner): Promise<Space> {
  const select = `SELECT ${spaceColumns} FROM storage_space WHERE user_id = ? AND namespace = ?${tx.dialect === 'postgres' ? ' FOR NO KEY UPDATE' : ''}`;
  let [row] = await runSql<SpaceRow>(tx, select, [userId, namespace]);
  if (row === undefined) {
    // Of two transactions that come first, one waits here for the other's row.
    await runSql(tx, 'INSERT INTO storage_space (user_id, namespace, bytes, keys, rev, floor, mutations) VALUES (?, ?, 0, 0, 0, 0, 0) ON CONFLICT (user_id, namespace) DO NOTHING', [userId, namespace]);
    [row] = await runSql<SpaceRow>(tx, select, [userId, namespace]);
  }
  return spaceFromRow(row!);
}

/** Writes the counters of a space that this transaction has locked. */
export async function saveSpace(tx: Transaction, space: Space): Promise<void> {
  await runSql(tx, 'UPDATE storage_space SET bytes = ?, keys = ?, rev = ?, floor = ?, next_expiry_at = ?, mutations = ? WHERE id = ?', [space.bytes, space.keys, space.rev, space.floor, space.nextExpiryAt ?? null, space.mutations, space.id]);
}

/** Bytes and keys that have expired and still stand in the counters. */
export async function countExpired(db: Queryable, spaceId: number, now: number): Promise<{ bytes: number; keys: number }> {
  const [row] = await runSql<{ bytes: number; keys: number }>(db, 'SELECT CAST(COALESCE(SUM(bytes), 0) AS bigint) AS bytes, CAST(COUNT(*) AS bigint) AS keys FROM storage_entry WHERE space_id = ? AND deleted_at IS NULL AND expires_at <= ?', [spaceId, now]);
  return row ?? { bytes: 0, keys: 0 };
}

/** Makes tombstones of what has expired, in the order in which it did, and takes it out of the counters. The space must be locked; it is not saved here. Returns the tombstones. */
export async function buryExpired(tx: Transaction, space: Space, now: number): Promise<Change[]> {
  const expired = await countExpired(tx, space.id, now);
  const buried = await runSql<{ key: string; rev: number }>(
    tx,
    `UPDATE storage_entry SET rev = ? + d.n, deleted_at = ?, updated_at = ?, expires_at = NULL, bytes = 0, content_type = NULL, key_id = NULL, value = NULL
     FROM (SELECT key, row_number() OVER (ORDER BY expires_at, key) AS n FROM storage_entry WHERE space_id = ? AND deleted_at IS NULL AND expires_at <= ?) d
     WHERE storage_entry.space_id = ? AND storage_entry.key = d.key RETURNING storage_entry.key, storage_entry.rev`,
    [space.rev, now, now, space.id, now, space.id],
  );
  const [next] = await runSql<{ at: number | null }>(tx, 'SELECT MIN(expires_at) AS at FROM storage_entry WHERE space_id = ? AND expires_at IS NOT NULL', [space.id]);
  space.rev += expired.keys;
  space.bytes -= expired.bytes;
  space.keys -= expired.keys;
  space.nextExpiryAt = next?.at ?? undefined;
  return buried.sort((a, b) => a.rev - b.rev).map(({ key, rev }) => ({ key, rev, deleted: true }));
}

/** Also a tombstone. */
export async function findEntry(tx: Transaction, spaceId: number, key: string): Promise<Entry | undefined> {
  const [row] = await runSql<EntryRow>(tx, `SELECT ${entryColumns} FROM storage_entry e WHERE e.space_id = ? AND e.key = ?`, [spaceId, key]);
  return row === undefined ? undefined : entryFromRow(row);
}

export async function findValue(tx: Transaction, spaceId: number, key: string): Promise<SealedValue | undefined> {
  const [row] = await runSql<{ key_id: string | null; value: Buffer | null }>(tx, 'SELECT key_id, value FROM storage_entry WHERE space_id = ? AND key = ?', [spaceId, key]);
  return row === undefined || row.key_id === null || row.value === null ? undefined : { keyId: row.key_id, sealed: row.value };
}

/** Writes an entry, or its tombstone where there is no value. */
export async function saveEntry(tx: Transaction, spaceId: number, entry: SealedEntry): Promise<void> {
  await runSql(
    tx,
    `INSERT INTO storage_entry (space_id, key, rev, written_at, created_at, updated_at, expires_at, deleted_at, bytes, content_type, key_id, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (space_id, key) DO UPDATE SET rev = excluded.rev, written_at = excluded.written_at, created_at = excluded.created_at, updated_at = excluded.updated_at, expires_at = excluded.expires_at,
       deleted_at = excluded.deleted_at, bytes = excluded.bytes, content_type = excluded.content_type, key_id = excluded.key_id, value = excluded.value`,
    [
      spaceId,
      entry.key,
      entry.rev,
      entry.writtenAt,
      entry.createdAt,
      entry.updatedAt,
      entry.expiresAt ?? null,
      entry.deletedAt ?? null,
      entry.bytes,
      entry.contentType ?? null,
      entry.value?.keyId ?? null,
      entry.value?.sealed ?? null,
    ],
  );
}

export async function findLiveEntry(db: Queryable, { userId, namespace }: Owner, key: string, now: number): Promise<SealedEntry | undefined> {
  const [row] = await runSql<SealedRow>(db, `SELECT ${sealedColumns} FROM ${ofOwner} AND e.key = ? AND ${isLive}`, [userId, namespace, key, now]);
  return row === undefined ? undefined : sealedFromRow(row);
}

/** The same, and which state its space is in at that moment. */
export async function findLiveEntryAndState(db: Queryable, { userId, namespace }: Owner, key: string, now: number): Promise<{ readonly entry: SealedEntry; readonly state: string } | undefined> {
  const [row] = await runSql<SealedRow & { space_id: number; space_rev: number }>(db, `SELECT s.id AS space_id, s.rev AS space_rev, ${sealedColumns} FROM ${ofOwner} AND e.key = ? AND ${isLive}`, [userId, namespace, key, now]);
  return row === undefined ? undefined : { entry: sealedFromRow(row), state: `${row.space_id} ${row.space_rev}` };
}

/** Another one after each change, and after an erasure: which space, and its last revision. Undefined when there is none. */
export async function findState(db: Queryable, { userId, namespace }: Owner): Promise<string | undefined> {
  const [row] = await runSql<{ id: number; rev: number }>(db, 'SELECT id, rev FROM storage_space WHERE user_id = ? AND namespace = ?', [userId, namespace]);
  return row === undefined ? undefined : `${row.id} ${row.rev}`;
}

export async function listLiveEntriesOf(db: Queryable, { userId, namespace }: Owner, keys: readonly string[], now: number): Promise<SealedEntry[]> {
  const among = db.dialect === 'postgres' ? '= ANY(?)' : 'IN (SELECT value FROM json_each(?))';
  const rows = await runSql<SealedRow>(db, `SELECT ${sealedColumns} FROM ${ofOwner} AND e.key ${among} AND ${isLive}`, [userId, namespace, keys, now]);
  return rows.map(sealedFromRow);
}

export interface KeyRange {
  /** Keys behind this one; undefined: from the first on. */
  readonly after: string | undefined;
  readonly from: string;
  /** Keys before this one; undefined: up to the last. */
  readonly before: string | undefined;
  readonly limit: number;
}

const rangeConditions = ({ after, from, before }: KeyRange): { sql: string; bindings: string[] } => {
  const conditions: [string, string][] = [['e.key >= ?', from]];
  if (after !== undefined) conditions.push(['e.key > ?', after]);
  if (before !== undefined) conditions.push(['e.key < ?', before]);
  return { sql: conditions.map(([sql]) => sql).join(' AND '), bindings: conditions.map(([, binding]) => binding) };
};

/** In the order of the keys' bytes. */
export async function listLiveEntries(db: Queryable, { userId, namespace }: Owner, range: KeyRange, now: number): Promise<Entry[]> {
  const { sql, bindings } = rangeConditions(range);
  const rows = await runSql<EntryRow>(db, `SELECT ${entryColumns} FROM ${ofOwner} AND ${sql} AND ${isLive} ORDER BY e.key LIMIT ?`, [userId, namespace, ...bindings, now, range.limit]);
  return rows.map(entryFromRow);
}

/**
 * Entries and tombstones behind revision `since`, in the order of their revisions: at most `limit`, and no more than fit
 * `maxBytes` but always one.
 */
export async function listChanges(db: Queryable, spaceId: number, since: number, limit: number, maxBytes: number): Promise<SealedEntry[]> {
  const rows = await runSql<SealedRow>(
    db,
    `SELECT ${sealedColumns} FROM
       (SELECT key, rev, SUM(bytes) OVER (ORDER BY rev) - bytes AS before FROM storage_entry WHERE space_id = ? AND rev > ? ORDER BY rev LIMIT ?) p
       JOIN storage_entry e ON e.space_id = ? AND e.key = p.key WHERE p.before < ? ORDER BY e.rev`,
    [spaceId, since, limit, spaceId, maxBytes],
  );
  return rows.map(sealedFromRow);
}

/** Mini-apps and reserved audiences with which a user has, or had, entries. */
export async function listNamespaces(db: Queryable, userId: UserId): Promise<string[]> {
  return (await runSql<{ namespace: string }>(db, 'SELECT namespace FROM storage_space WHERE user_id = ? ORDER BY namespace', [userId])).map(({ namespace }) => namespace);
}

/** Deletes what a locked space holds. Of one that was used, the number of its last revision stays, raised: what anybody knew of it is out of date. */
export async function emptySpace(tx: Transaction, space: Space): Promise<void> {
  if (space.rev === 0 && space.mutations === 0) {
    await runSql(tx, 'DELETE FROM storage_space WHERE id = ?', [space.id]);
    return;
  }
  await runSql(tx, 'DELETE FROM storage_entry WHERE space_id = ?', [space.id]);
  await runSql(tx, 'DELETE FROM storage_mutation WHERE space_id = ?', [space.id]);
  await saveSpace(tx, { id: space.id, bytes: 0, keys: 0, rev: space.rev + 1, floor: space.rev + 1, nextExpiryAt: undefined, mutations: 0 });
}

/** Deletes all spaces of a user and what is in them. */
export async function eraseSpaces(tx: Transaction, userId: UserId): Promise<void> {
  await runSql(tx, 'DELETE FROM storage_space WHERE user_id = ?', [userId]);
}
