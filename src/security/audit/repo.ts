import { runSql, type Database, type Queryable, type Transaction } from '../../database/index.ts';
import type { AuditEntry, SealedEntry } from './entry.ts';

interface EntryRow {
  id: string;
  at: number;
  actor_kind: string;
  actor: string;
  action: string;
  target_kind: string;
  target: string;
  result: 'done' | 'refused';
  address: string | null;
  request_id: string | null;
  details: string;
  seq: number | null;
  hash: string | null;
}

/** Where the chain of entries begins and ends. */
export interface Chain {
  readonly seq: number;
  readonly hash: string;
  readonly prunedSeq: number;
  readonly prunedHash: string;
  readonly mac: string;
}

const toEntry = (row: EntryRow): AuditEntry => ({
  id: row.id,
  at: row.at,
  actor: { kind: row.actor_kind, id: row.actor },
  action: row.action,
  target: { kind: row.target_kind, id: row.target },
  result: row.result,
  address: row.address ?? undefined,
  requestId: row.request_id ?? undefined,
  details: row.details,
});
const toSealed = (row: EntryRow): SealedEntry => ({ ...toEntry(row), seq: row.seq ?? 0, hash: row.hash ?? '' });

export async function insertEntry(tx: Transaction, entry: AuditEntry): Promise<void> {
  const { id, at, actor, action, target, result, address, requestId, details } = entry;
  await runSql(tx, 'INSERT INTO audit_entry (id, at, actor_kind, actor, action, target_kind, target, result, address, request_id, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)', [id, at, actor.kind, actor.id, action, target.kind, target.id, result, address ?? null, requestId ?? null, details]);
}

/** The oldest entries that have no place in the chain yet. */
export async function listUnsealed(db: Queryable, limit: number): Promise<AuditEntry[]> {
  return (await db.sql<EntryRow>('audit_entry').whereNull('seq').orderBy(['at', 'id']).limit(limit)).map(toEntry);
}

export async function setSealed(tx: Transaction, id: string, seq: number, hash: string): Promise<void> {
  await tx.sql('audit_entry').where({ id }).update({ seq, hash });
}

/** Sealed entries behind `seq`, in the order of the chain. */
export async function listSealed(db: Queryable, afterSeq: number, limit: number): Promise<SealedEntry[]> {
  return (await db.sql<EntryRow>('audit_entry').where('seq', '>', afterSeq).orderBy('seq').limit(limit)).map(toSealed);
}

export interface AuditFilter {
  readonly beforeSeq?: number;
  readonly action?: string;
  readonly actor?: string;
  readonly target?: string;
}

/** The newest first. */
export async function searchSealed(db: Queryable, filter: AuditFilter, limit: number): Promise<SealedEntry[]> {
  const query = db.sql<EntryRow>('audit_entry').whereNotNull('seq').orderBy('seq', 'desc').limit(limit);
  if (filter.beforeSeq !== undefined) void query.andWhere('seq', '<', filter.beforeSeq);
  for (const field of ['action', 'actor', 'target'] as const) {
    const value = filter[field];
    if (value !== undefined) void query.andWhere({ [field]: value });
  }
  return (await query).map(toSealed);
}

/** How many entries wait to be sealed since before `at`. */
export async function countUnsealedSince(db: Queryable, at: number): Promise<number> {
  const [row] = await db.sql('audit_entry').whereNull('seq').andWhere('at', '<', at).count<{ n: number | string }[]>({ n: '*' });
  return Number(row?.n ?? 0);
}

/** The chain's one row, locked in a transaction; undefined before the first entry was sealed. */
export async function findChain(db: Database | Transaction, { lock = false } = {}): Promise<Chain | undefined> {
  const query = db.sql<{ seq: number; hash: string; pruned_seq: number; pruned_hash: string; mac: string }>('audit_chain').first();
  const row = await (lock && db.dialect === 'postgres' ? query.forUpdate() : query);
  return row === undefined ? undefined : { seq: row.seq, hash: row.hash, prunedSeq: row.pruned_seq, prunedHash: row.pruned_hash, mac: row.mac };
}

export async function saveChain(tx: Transaction, chain: Chain): Promise<void> {
  const row = { seq: chain.seq, hash: chain.hash, pruned_seq: chain.prunedSeq, pruned_hash: chain.prunedHash, mac: chain.mac };
  await tx.sql('audit_chain').insert({ id: 1, ...row }).onConflict('id').merge(row);
}

/** The last of the entries that are older than `before` in an unbroken row from the beginning, at most `limit` of them. */
export async function findPrunable(tx: Transaction, { prunedSeq, before, limit }: { prunedSeq: number; before: number; limit: number }): Promise<SealedEntry | undefined> {
  const rows = await listSealed(tx, prunedSeq, limit);
  const firstKept = rows.findIndex(({ at }) => at >= before);
  return (firstKept === -1 ? rows : rows.slice(0, firstKept)).at(-1);
}

export async function deletePruned(tx: Transaction, prunedSeq: number): Promise<void> {
  await tx.sql('audit_entry').where('seq', '<=', prunedSeq).delete();
}
