import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asMiniAppId, newId, type MiniAppId } from '../kernel/ids.ts';

export type DeliveryState = 'pending' | 'delivered' | 'refused' | 'failed';

export interface Delivery {
  readonly id: string;
  readonly miniappId: MiniAppId;
  readonly event: string;
  /** Where it goes, when that is not the mini-app's registered address. */
  readonly url: string | undefined;
  readonly payload: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly lastStatus: number | undefined;
  readonly lastError: string | undefined;
  readonly createdAt: number;
  readonly nextAt: number | undefined;
  readonly settledAt: number | undefined;
}

interface Row {
  id: string;
  miniapp_id: string;
  event: string;
  url: string | null;
  payload: string;
  state: DeliveryState;
  attempts: number;
  last_status: number | null;
  last_error: string | null;
  created_at: number;
  next_at: number | null;
  settled_at: number | null;
}

const fromRow = (row: Row): Delivery => ({
  id: row.id,
  miniappId: asMiniAppId(row.miniapp_id),
  event: row.event,
  url: row.url ?? undefined,
  payload: row.payload,
  state: row.state,
  attempts: row.attempts,
  lastStatus: row.last_status ?? undefined,
  lastError: row.last_error ?? undefined,
  createdAt: row.created_at,
  nextAt: row.next_at ?? undefined,
  settledAt: row.settled_at ?? undefined,
});

export async function insertDelivery(tx: Transaction, delivery: Pick<Delivery, 'id' | 'miniappId' | 'event' | 'url' | 'payload' | 'createdAt'>): Promise<void> {
  const { id, miniappId, event, url, payload, createdAt } = delivery;
  await runSql(tx, `INSERT INTO webhook_delivery (id, miniapp_id, event, url, payload, state, attempts, created_at, next_at) VALUES (?, ?, ?, ?, ?, 'pending', 0, ?, ?)`, [id, miniappId, event, url ?? null, payload, createdAt, createdAt]);
}

export async function findDelivery(db: Queryable, id: string): Promise<Delivery | undefined> {
  const row = await db.sql<Row>('webhook_delivery').where({ id }).first();
  return row === undefined ? undefined : fromRow(row);
}

/** The newest first. `before`: the last one of the page before. */
export async function listDeliveries(db: Queryable, miniappId: string, filter: { readonly state?: DeliveryState; readonly before?: Delivery; readonly limit: number }): Promise<Delivery[]> {
  const query = db
    .sql<Row>('webhook_delivery')
    .where({ miniapp_id: miniappId })
    .orderBy([
      { column: 'created_at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .limit(filter.limit);
  if (filter.state !== undefined) void query.andWhere({ state: filter.state });
  if (filter.before !== undefined) void query.andWhereRaw('(created_at, id) < (?, ?)', [filter.before.createdAt, filter.before.id]);
  return (await query).map(fromRow);
}

/** How many deliveries of each day (days since 1970, UTC) stand where; times in milliseconds, `until` not included. */
export async function countDeliveries(db: Queryable, miniappId: string, from: number, until: number): Promise<{ readonly day: number; readonly state: DeliveryState; readonly deliveries: number }[]> {
  const rows = await runSql<{ day: number; state: DeliveryState; deliveries: number }>(db, 'SELECT created_at / 86400000 AS day, state, count(*) AS deliveries FROM webhook_delivery WHERE miniapp_id = ? AND created_at >= ? AND created_at < ? GROUP BY 1, 2 ORDER BY 1, 2', [miniappId, from, until]);
  return rows.map(({ day, state, deliveries }) => ({ day, state, deliveries: Number(deliveries) }));
}

/** What an attempt led to. False when another has recorded it. */
export async function recordAttempt(
  tx: Transaction,
  id: string,
  attempt: number,
  outcome: { readonly state: DeliveryState; readonly status: number | undefined; readonly error: string | undefined; readonly nextAt: number | undefined; readonly settledAt: number | undefined },
): Promise<boolean> {
  const changed = await tx
    .sql('webhook_delivery')
    .where({ id, state: 'pending', attempts: attempt - 1 })
    .update({ state: outcome.state, attempts: attempt, last_status: outcome.status ?? null, last_error: outcome.error ?? null, next_at: outcome.nextAt ?? null, settled_at: outcome.settledAt ?? null });
  return changed === 1;
}

/** Makes a settled delivery pending again, from its first attempt. False when it is pending or not there. */
export async function reopenDelivery(tx: Transaction, id: string, now: number): Promise<boolean> {
  return (await tx.sql('webhook_delivery').where({ id }).whereNot({ state: 'pending' }).update({ state: 'pending', attempts: 0, created_at: now, next_at: now, settled_at: null, last_status: null, last_error: null })) === 1;
}

export async function deleteSettledBefore(tx: Transaction, before: number, limit: number): Promise<number> {
  const ids = await tx.sql<Row>('webhook_delivery').where('settled_at', '<', before).limit(limit).pluck('id');
  return tx.sql('webhook_delivery').whereIn('id', ids).delete();
}

/** Sealed secrets that are being replaced, the oldest first. */
export async function listOldSecrets(db: Queryable, miniappId: string, now: number): Promise<string[]> {
  return db.sql<{ miniapp_id: string; sealed: string; until: number }>('webhook_old_secret').where({ miniapp_id: miniappId }).andWhere('until', '>', now).orderBy('until').pluck('sealed');
}

export async function keepOldSecret(tx: Transaction, miniappId: string, sealed: string, until: number): Promise<void> {
  await tx.sql('webhook_old_secret').insert({ id: newId('whs'), miniapp_id: miniappId, sealed, until });
}

export async function deleteOldSecrets(tx: Transaction, now: number): Promise<void> {
  await tx.sql('webhook_old_secret').where('until', '<=', now).delete();
}
