import { insertRows, runSql, type Database, type Queryable, type Transaction } from '../database/index.ts';
import type { Job, NewJob } from './types.ts';

interface JobRow {
  id: string;
  stream: string;
  pos: number;
  kind: string;
  body: string;
  state: string;
  attempts: number;
  next_at: number;
  started_at: number | null;
  last_error: string | null;
  created_at: number;
  finished_at: number | null;
  trace: string | null;
}

export interface Claim {
  readonly stream: string;
  readonly fence: number;
}

/** A job whose body is still text: it may turn out not to be JSON. */
export type BegunJob = Omit<Job, 'body'> & { readonly bodyText: string; readonly traceparent: string | undefined };

const jobColumns = { id: 'text', stream: 'text', pos: 'bigint', kind: 'text', body: 'text', state: 'text', attempts: 'bigint', next_at: 'bigint', created_at: 'bigint', trace: 'text' } as const;

/** Takes as many positions at the end of each stream as it gets jobs, under the stream row's lock: a serial would not be commit order. */
async function takePositions(tx: Transaction, streams: ReadonlyMap<string, NewJob[]>, now: number): Promise<Map<string, number>> {
  const wanted = [...streams.entries()].map(([stream, jobs]) => ({ stream, next_pos: jobs.length, ready_at: jobs[0]?.runAt ?? now, fence: now }));
  const insert = (source: string): string => `INSERT INTO job_stream (stream, next_pos, ready_at, fence) ${source}
     ON CONFLICT (stream) DO UPDATE SET next_pos = job_stream.next_pos + excluded.next_pos, ready_at = COALESCE(job_stream.ready_at, excluded.ready_at)
     RETURNING stream, next_pos`;
  const rows: { stream: string; next_pos: number }[] = [];
  if (tx.dialect === 'postgres') {
    const source = 'SELECT stream, next_pos, ready_at, fence FROM json_to_recordset(?::json) AS r(stream text, next_pos bigint, ready_at bigint, fence bigint) ORDER BY stream';
    rows.push(...(await runSql<{ stream: string; next_pos: number }>(tx, insert(source), [JSON.stringify(wanted)])));
  } else {
    for (const { stream, next_pos, ready_at, fence } of wanted) rows.push(...(await runSql<{ stream: string; next_pos: number }>(tx, insert('VALUES (?, ?, ?, ?)'), [stream, next_pos, ready_at, fence])));
  }
  return new Map(rows.map((row) => [row.stream, row.next_pos - (streams.get(row.stream)?.length ?? 0)]));
}

/** Appends jobs to their streams. A job whose id is known already is left out. */
export async function appendJobs(tx: Transaction, jobs: readonly (NewJob & { id: string; traceparent?: string | undefined })[], now: number): Promise<void> {
  const streams = Map.groupBy(jobs, (job) => job.stream);
  const positions = await takePositions(tx, streams, now);
  const rows = jobs.map((job) => {
    const pos = positions.get(job.stream) ?? 0;
    positions.set(job.stream, pos + 1);
    return { id: job.id, stream: job.stream, pos, kind: job.kind, body: typeof job.body === 'string' ? job.body : JSON.stringify(job.body), state: 'queued', attempts: 0, next_at: job.runAt ?? now, created_at: now, trace: job.traceparent ?? null };
  });
  await insertRows(tx, 'job', jobColumns, rows, 'ON CONFLICT (id) DO NOTHING');
}

/** Leases up to `limit` streams that have something to run and that no living worker holds. */
export async function claimStreams(tx: Transaction, owner: string, limit: number, now: number, leaseUntil: number): Promise<Claim[]> {
  const due = tx
    .sql('job_stream')
    .where('ready_at', '<=', now)
    .andWhere((q) => void q.whereNull('lease_until').orWhere('lease_until', '<', now))
    .orderBy('ready_at')
    .limit(limit)
    .select<{ stream: string }[]>('stream');
  const streams = await (tx.dialect === 'postgres' ? due.forUpdate().skipLocked() : due);
  if (streams.length === 0) return [];
  return tx
    .sql('job_stream')
    .whereIn('stream', streams.map((row) => row.stream))
    .update({ lease_owner: owner, lease_until: leaseUntil, fence: tx.sql.raw('fence + 1') })
    .returning<Claim[]>(['stream', 'fence']);
}

/** Locks the stream for this transaction; false when the claim was lost to another worker. */
export async function holdStream(tx: Transaction, claim: Claim): Promise<boolean> {
  const row = tx.sql('job_stream').where({ stream: claim.stream, fence: claim.fence }).select('stream').first<{ stream: string } | undefined>();
  return (await (tx.dialect === 'postgres' ? row.forNoKeyUpdate() : row)) !== undefined;
}

const headOf = (tx: Transaction, stream: string) => tx.sql<JobRow>('job').where({ stream, state: 'queued' }).orderBy('pos').first();

/** Marks the stream's first job as begun and returns it, if it is due. The stream must be held. */
export async function beginHead(tx: Transaction, claim: Claim, now: number): Promise<BegunJob | undefined> {
  const row = await headOf(tx, claim.stream);
  if (row === undefined || row.next_at > now) return undefined;
  await tx.sql('job').where({ id: row.id }).update({ attempts: row.attempts + 1, started_at: now });
  return {
    id: row.id,
    stream: row.stream,
    kind: row.kind,
    bodyText: row.body,
    attempt: row.attempts + 1,
    createdAt: row.created_at,
    unsettledSince: row.started_at ?? undefined,
    traceparent: row.trace ?? undefined,
  };
}

/** Gives the stream back, to be claimed again when its first job is due. The stream must be held. */
export async function releaseStream(tx: Transaction, claim: Claim): Promise<void> {
  const head = await headOf(tx, claim.stream);
  await tx.sql('job_stream').where({ stream: claim.stream, fence: claim.fence }).update({ ready_at: head?.next_at ?? null, lease_owner: null, lease_until: null });
}

export async function markDone(tx: Transaction, id: string, now: number, forgetBody: boolean): Promise<void> {
  await tx.sql('job').where({ id }).update({ state: 'done', finished_at: now, started_at: null, ...(forgetBody ? { body: '{}' } : {}) });
}

/** `counted` attempts lead to parking in the end; `settled` means that the effect outside surely did not happen. */
export async function markForRetry(tx: Transaction, id: string, next: { at: number; error: string; counted: boolean; settled: boolean }): Promise<void> {
  await tx
    .sql('job')
    .where({ id })
    .update({
      next_at: next.at,
      last_error: next.error,
      ...(next.settled ? { started_at: null } : {}),
      ...(next.counted ? {} : { attempts: tx.sql.raw('attempts - 1') }),
    });
}

export async function markParked(tx: Transaction, id: string, error: string, now: number): Promise<void> {
  await tx.sql('job').where({ id }).update({ state: 'parked', last_error: error, finished_at: now });
}

/**
 * Streams that a transaction holds just now are left out: no other worker can claim those either, and to wait for one while
 * holding the others would close a circle with the transactions that append to them.
 */
export async function extendLeases(db: Queryable, owner: string, leaseUntil: number): Promise<void> {
  const own = db.sql('job_stream').where({ lease_owner: owner });
  const free = own.clone().select('stream').forNoKeyUpdate().skipLocked();
  await (db.dialect === 'postgres' ? own.whereIn('stream', free) : own).update({ lease_until: leaseUntil });
}

/** For a database that only this process uses: what a process that died had leased is free at once. */
export async function dropAllLeases(db: Queryable): Promise<void> {
  await db.sql('job_stream').whereNotNull('lease_owner').update({ lease_owner: null, lease_until: null });
}

/** Makes jobs of these kinds that wait for something that was away due now: it is back. */
export async function hasten(db: Database, kindPrefixes: readonly string[], now: number): Promise<void> {
  await db.inTransaction(async (tx) => {
    const streams = await tx
      .sql('job')
      .where({ state: 'queued', attempts: 0 })
      .andWhere('next_at', '>', now)
      .whereNotNull('last_error')
      .andWhere((q) => void kindPrefixes.forEach((prefix) => q.orWhereLike('kind', `${prefix}%`)))
      .update({ next_at: now })
      .returning<{ stream: string }[]>('stream');
    const names = [...new Set(streams.map(({ stream }) => stream))].sort();
    for (let i = 0; i < names.length; i += 500) {
      await tx.sql('job_stream').whereIn('stream', names.slice(i, i + 500)).whereNotNull('ready_at').whereNull('lease_owner').update({ ready_at: now });
    }
  });
}

export interface QueueCount {
  readonly state: 'queued' | 'parked';
  readonly kind: string;
  readonly count: number;
  readonly oldestAt: number;
  /** When the first of them is or was to run. */
  readonly dueAt: number;
}

export async function countUnfinished(db: Queryable): Promise<QueueCount[]> {
  const rows = await db
    .sql('job')
    .whereIn('state', ['queued', 'parked'])
    .groupBy('state', 'kind')
    .select<{ state: 'queued' | 'parked'; kind: string; count: number | string; oldest: number; due: number }[]>('state', 'kind', db.sql.raw('count(*) AS count'), db.sql.raw('min(created_at) AS oldest'), db.sql.raw('min(next_at) AS due'));
  return rows.map((row) => ({ state: row.state, kind: row.kind, count: Number(row.count), oldestAt: Number(row.oldest), dueAt: Number(row.due) }));
}

export interface JobSummary {
  readonly id: string;
  readonly stream: string;
  readonly kind: string;
  readonly state: string;
  readonly attempts: number;
  readonly last_error: string | null;
  readonly created_at: number;
  readonly next_at: number;
}

const summary = ['id', 'stream', 'kind', 'state', 'attempts', 'last_error', 'created_at', 'next_at'] as const;

export async function listJobs(db: Queryable, state: 'queued' | 'parked', limit: number): Promise<JobSummary[]> {
  return db.sql<JobRow>('job').where({ state }).orderBy('created_at').limit(limit).select(...summary);
}

export async function findJob(db: Queryable, id: string): Promise<(JobSummary & { body: string }) | undefined> {
  return db.sql<JobRow>('job').where({ id }).select(...summary, 'body').first();
}

/** Queues a parked job again, before everything else in its stream. False when there is no such parked job. */
export async function replayJob(tx: Transaction, id: string, now: number): Promise<boolean> {
  const rows = await tx.sql<JobRow>('job').where({ id, state: 'parked' }).update({ state: 'queued', attempts: 0, next_at: now, finished_at: null }).returning<{ stream: string }[]>('stream');
  const stream = rows[0]?.stream;
  if (stream === undefined) return false;
  await tx.sql('job_stream').where({ stream }).update({ ready_at: now });
  return true;
}

/** Queues all parked jobs again, each stream's in its old order. Returns how many. */
export async function replayParkedJobs(tx: Transaction, now: number): Promise<number> {
  const rows = await tx.sql('job').where({ state: 'parked' }).update({ state: 'queued', attempts: 0, next_at: now, finished_at: null }).returning<{ stream: string }[]>('stream');
  const streams = [...new Set(rows.map(({ stream }) => stream))].sort();
  for (let i = 0; i < streams.length; i += 500) await tx.sql('job_stream').whereIn('stream', streams.slice(i, i + 500)).update({ ready_at: now });
  return rows.length;
}

export async function discardJob(tx: Transaction, id: string, now: number): Promise<boolean> {
  return (await tx.sql('job').where({ id, state: 'parked' }).update({ state: 'discarded', finished_at: now })) === 1;
}

/** Deletes jobs that finished before `before`, and streams that have nothing left to do. Returns how many jobs went. */
export async function purgeFinished(tx: Transaction, before: number, limit: number): Promise<number> {
  const old = tx.sql('job').whereIn('state', ['done', 'discarded']).andWhere('finished_at', '<', before).limit(limit).select('id');
  const gone = await tx.sql('job').whereIn('id', old).delete();
  const jobsIn = (state: string) => tx.sql('job').whereRaw('job.stream = job_stream.stream').andWhere('state', state).select(tx.sql.raw('1'));
  await tx.sql('job_stream').whereNull('ready_at').whereNull('lease_owner').whereNotExists(jobsIn('queued')).whereNotExists(jobsIn('parked')).delete();
  return gone;
}
