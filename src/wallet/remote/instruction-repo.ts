import { runSql, type Queryable, type Transaction } from '../../database/index.ts';
import type { MovementCode } from '../port.ts';
import type { WireInstruction } from './wire.ts';

export type InstructionKind = 'transfer' | 'hold' | 'capture' | 'release';
export type InstructionState = 'open' | 'done' | 'refused';

/** What the wallet service was told, in the transaction of the change that wants it. Its id is the key under which it is carried out once. */
export interface Instruction {
  readonly id: string;
  readonly kind: InstructionKind;
  /** The instruction that a capture or release ends. */
  readonly holdId: string | undefined;
  readonly code: MovementCode;
  readonly ref: string;
  readonly terms: WireInstruction;
  /** The money was set aside before: the service may not refuse. */
  readonly secured: boolean;
  readonly state: InstructionState;
  /** The service's name for what moved. */
  readonly txnId: string | undefined;
  readonly createdAt: number;
}

interface InstructionRow {
  id: string;
  kind: InstructionKind;
  hold_id: string | null;
  code: MovementCode;
  ref: string;
  terms: string;
  secured: number;
  state: InstructionState;
  txn_id: string | null;
  created_at: number;
}

const columns = 'id, kind, hold_id, code, ref, terms, secured, state, txn_id, created_at';

const fromRow = (row: InstructionRow): Instruction => ({
  id: row.id,
  kind: row.kind,
  holdId: row.hold_id ?? undefined,
  code: row.code,
  ref: row.ref,
  terms: JSON.parse(row.terms) as WireInstruction,
  secured: row.secured === 1,
  state: row.state,
  txnId: row.txn_id ?? undefined,
  createdAt: row.created_at,
});

/** False when it ends a hold that another instruction ends already. */
export async function insertInstruction(tx: Transaction, { id, kind, holdId, code, ref, terms, secured, createdAt }: Instruction): Promise<boolean> {
  const rows = await runSql(
    tx,
    `INSERT INTO wallet_instruction (id, kind, hold_id, code, ref, terms, secured, state, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?) ON CONFLICT (hold_id) DO NOTHING RETURNING id`,
    [id, kind, holdId ?? null, code, ref, JSON.stringify(terms), secured ? 1 : 0, createdAt],
  );
  return rows.length === 1;
}

export async function findInstruction(db: Queryable, id: string): Promise<Instruction | undefined> {
  const [row] = await runSql<InstructionRow>(db, `SELECT ${columns} FROM wallet_instruction WHERE id = ?`, [id]);
  return row === undefined ? undefined : fromRow(row);
}

/** The movement that the service calls so; what ends it has the same name. */
export async function findInstructionByTxn(db: Queryable, txnId: string): Promise<Instruction | undefined> {
  const [row] = await runSql<InstructionRow>(db, `SELECT ${columns} FROM wallet_instruction WHERE txn_id = ? AND kind IN ('transfer', 'hold')`, [txnId]);
  return row === undefined ? undefined : fromRow(row);
}

/** The instruction, locked: of two answers to it, one waits for the other. */
export async function lockInstruction(tx: Transaction, id: string): Promise<Instruction | undefined> {
  const [row] = await runSql<InstructionRow>(tx, `SELECT ${columns} FROM wallet_instruction WHERE id = ? ${tx.dialect === 'postgres' ? 'FOR NO KEY UPDATE' : ''}`, [id]);
  return row === undefined ? undefined : fromRow(row);
}

/** False when it was decided before. */
export async function decideInstruction(tx: Transaction, id: string, outcome: { readonly txnId: string } | { readonly code: string; readonly message: string }, now: number): Promise<boolean> {
  const rows =
    'txnId' in outcome
      ? await runSql(tx, `UPDATE wallet_instruction SET state = 'done', txn_id = ?, decided_at = ? WHERE id = ? AND state = 'open' RETURNING id`, [outcome.txnId, now, id])
      : await runSql(tx, `UPDATE wallet_instruction SET state = 'refused', error_code = ?, error_message = ?, decided_at = ? WHERE id = ? AND state = 'open' RETURNING id`, [outcome.code, outcome.message, now, id]);
  return rows.length === 1;
}

/** How many wait for an answer, and since when the oldest does. */
export async function countOpen(db: Queryable): Promise<{ readonly count: number; readonly oldestAt: number | undefined }> {
  const [row] = await runSql<{ count: number; oldest: number | null }>(db, `SELECT COUNT(*) AS count, MIN(created_at) AS oldest FROM wallet_instruction WHERE state = 'open'`);
  return { count: Number(row?.count ?? 0), oldestAt: row?.oldest === null || row === undefined ? undefined : Number(row.oldest) };
}
