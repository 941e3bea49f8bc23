import type { Queryable, Transaction } from '../database/index.ts';
import { asUserId, type UserId } from '../kernel/ids.ts';

/** Who may be a developer, by whose word, since when and why (specification section 4.4.8). */
export interface WhitelistEntry {
  readonly userId: UserId;
  readonly addedBy: string;
  readonly addedAt: number;
  readonly reason: string | undefined;
}

export interface WhitelistChange {
  readonly by: string;
  readonly at: number;
  readonly reason: string | undefined;
}

interface WhitelistRow {
  user_id: string;
  state: 'listed' | 'removed';
  changed_by: string;
  changed_at: number;
  reason: string | null;
}

const fromRow = (row: WhitelistRow): WhitelistEntry => ({ userId: asUserId(row.user_id), addedBy: row.changed_by, addedAt: row.changed_at, reason: row.reason ?? undefined });
const toColumns = ({ by, at, reason }: WhitelistChange) => ({ changed_by: by, changed_at: at, reason: reason ?? null });

export async function listWhitelist(db: Queryable, page: { limit: number; offset: number }): Promise<{ entries: WhitelistEntry[]; total: number }> {
  const listed = db.sql<WhitelistRow>('developer_whitelist').where({ state: 'listed' });
  const counted = await listed.clone().count<{ count: number | string }[]>({ count: '*' });
  const rows = await listed.clone().orderBy('user_id').limit(page.limit).offset(page.offset);
  return { entries: rows.map(fromRow), total: Number(counted[0]?.count ?? 0) };
}

export async function findListed(db: Queryable, userId: string): Promise<WhitelistEntry | undefined> {
  const row = await db.sql<WhitelistRow>('developer_whitelist').where({ user_id: userId, state: 'listed' }).first();
  return row === undefined ? undefined : fromRow(row);
}

/** Whether the user is listed, and will be until this transaction ends: a removal waits for it. */
export async function lockListed(tx: Transaction, userId: string): Promise<boolean> {
  const query = tx.sql<WhitelistRow>('developer_whitelist').where({ user_id: userId, state: 'listed' }).first('user_id');
  return (await (tx.dialect === 'postgres' ? query.forShare() : query)) !== undefined;
}

/** False when the user is listed already. */
export async function addToWhitelist(db: Queryable, userId: UserId, change: WhitelistChange): Promise<boolean> {
  const columns = { state: 'listed', ...toColumns(change) };
  const rows = await db
    .sql('developer_whitelist')
    .insert({ user_id: userId, ...columns })
    .onConflict('user_id')
    .merge(columns)
    .where('developer_whitelist.state', 'removed')
    .returning<object[]>('user_id');
  return rows.length === 1;
}

/** As the configuration lists: whom an administrator removed stays removed. False when nothing changed. */
export async function addFromConfig(db: Queryable, userId: UserId, change: WhitelistChange): Promise<boolean> {
  const columns = { state: 'listed', ...toColumns(change) };
  const rows = await db
    .sql('developer_whitelist')
    .insert({ user_id: userId, ...columns })
    .onConflict('user_id')
    .merge(columns)
    .where({ 'developer_whitelist.state': 'removed', 'developer_whitelist.changed_by': change.by })
    .returning<object[]>('user_id');
  return rows.length === 1;
}

/** False when the user is not listed. */
export async function removeFromWhitelist(db: Queryable, userId: string, change: WhitelistChange): Promise<boolean> {
  return (await db.sql('developer_whitelist').where({ user_id: userId, state: 'listed' }).update({ state: 'removed', ...toColumns(change) })) === 1;
}

/** Those whom `by` listed last. */
export async function listedBy(db: Queryable, by: string): Promise<string[]> {
  return db.sql<WhitelistRow>('developer_whitelist').where({ state: 'listed', changed_by: by }).pluck('user_id');
}
