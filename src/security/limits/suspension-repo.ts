import type { Queryable, Transaction } from '../../database/index.ts';

export interface Suspension {
  readonly userId: string;
  readonly clientId: string;
  readonly reason: string;
  readonly since: number;
  readonly until: number;
}

interface SuspensionRow {
  user_id: string;
  client_id: string;
  reason: string;
  since: number | string;
  until: number | string;
}

const fromRow = (row: SuspensionRow): Suspension => ({ userId: row.user_id, clientId: row.client_id, reason: row.reason, since: Number(row.since), until: Number(row.until) });

export async function listSuspensions(db: Queryable, now: number): Promise<Suspension[]> {
  return (await db.sql<SuspensionRow>('suspension').where('until', '>', now).orderBy('since')).map(fromRow);
}

/** False when the two are suspended already: of many that find the limit passed, one suspends. */
export async function insertSuspension(tx: Transaction, { userId, clientId, reason, since, until }: Suspension): Promise<boolean> {
  const row = { user_id: userId, client_id: clientId, reason, since, until };
  const inserted = await tx.sql('suspension').insert(row).onConflict(['user_id', 'client_id']).merge(['reason', 'since', 'until']).where('suspension.until', '<=', since).returning<object[]>('user_id');
  return inserted.length === 1;
}

/** Ends it before its time, or tidies it away after. Undefined when there is none. */
export async function deleteSuspension(tx: Transaction, userId: string, clientId: string): Promise<Suspension | undefined> {
  const row = await tx.sql<SuspensionRow>('suspension').where({ user_id: userId, client_id: clientId }).forUpdate().first<SuspensionRow | undefined>();
  if (row === undefined) return undefined;
  await tx.sql('suspension').where({ user_id: userId, client_id: clientId }).delete();
  return fromRow(row);
}

export async function deleteEnded(tx: Transaction, now: number): Promise<Suspension[]> {
  const ended = (await tx.sql<SuspensionRow>('suspension').where('until', '<=', now).forUpdate()).map(fromRow);
  await tx.sql('suspension').where('until', '<=', now).delete();
  return ended;
}

export interface Appeal {
  readonly id: string;
  readonly userId: string;
  readonly clientId: string;
  readonly message: string;
  readonly state: 'open' | 'lifted' | 'upheld';
  readonly createdAt: number;
  readonly decidedAt: number | undefined;
  readonly decidedBy: string | undefined;
}

interface AppealRow {
  id: string;
  user_id: string;
  client_id: string;
  message: string;
  state: Appeal['state'];
  created_at: number | string;
  decided_at: number | string | null;
  decided_by: string | null;
}

const appealOf = (row: AppealRow): Appeal => ({
  id: row.id,
  userId: row.user_id,
  clientId: row.client_id,
  message: row.message,
  state: row.state,
  createdAt: Number(row.created_at),
  decidedAt: row.decided_at === null ? undefined : Number(row.decided_at),
  decidedBy: row.decided_by ?? undefined,
});

export async function insertAppeal(tx: Transaction, { id, userId, clientId, message, createdAt }: Pick<Appeal, 'id' | 'userId' | 'clientId' | 'message' | 'createdAt'>): Promise<void> {
  await tx.sql('suspension_appeal').insert({ id, user_id: userId, client_id: clientId, message, state: 'open', created_at: createdAt });
}

export async function listAppeals(db: Queryable, state: Appeal['state'], limit: number): Promise<Appeal[]> {
  return (await db.sql<AppealRow>('suspension_appeal').where({ state }).orderBy([{ column: 'created_at' }, { column: 'id' }]).limit(limit)).map(appealOf);
}

/** Forgets up to `limit` appeals from before `before`. Returns how many there were. */
export async function deleteAppealsBefore(tx: Transaction, before: number, limit: number): Promise<number> {
  return tx.sql('suspension_appeal').whereIn('id', tx.sql('suspension_appeal').where('created_at', '<', before).orderBy('created_at').limit(limit).select('id')).delete();
}

/** Undefined when there is no open appeal with this id. */
export async function decideAppeal(tx: Transaction, id: string, verdict: 'lifted' | 'upheld', by: string, now: number): Promise<Appeal | undefined> {
  const [row] = await tx.sql<AppealRow>('suspension_appeal').where({ id, state: 'open' }).update({ state: verdict, decided_at: now, decided_by: by }).returning<AppealRow[]>('*');
  return row === undefined ? undefined : appealOf(row);
}
