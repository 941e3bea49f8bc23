import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { Refund } from './types.ts';

interface RefundRow {
  id: string;
  payment_id: string;
  amount: number;
  reason: string | null;
  notes: string | null;
  refunded_by: string;
  status: Refund['status'];
  error_code: string | null;
  error_message: string | null;
  txn_id: string | null;
  service_txn_id: string | null;
  instruction_id: string | null;
  created_at: number;
}

const fromRow = (row: RefundRow): Refund => ({
  id: row.id,
  paymentId: row.payment_id,
  amountMinor: row.amount,
  reason: row.reason ?? undefined,
  notes: row.notes ?? undefined,
  refundedBy: row.refunded_by,
  status: row.status,
  error: row.error_code === null ? undefined : { code: row.error_code, message: row.error_message ?? '' },
  txnId: row.txn_id ?? row.service_txn_id ?? undefined,
  instructionId: row.instruction_id ?? undefined,
  createdAt: row.created_at,
});

export async function insertRefund(tx: Transaction, { id, paymentId, amountMinor, reason, notes, refundedBy, status, txnId, instructionId, createdAt }: Refund): Promise<void> {
  const byService = instructionId !== undefined;
  await runSql(tx, 'INSERT INTO payment_refund (id, payment_id, amount, reason, notes, refunded_by, status, txn_id, by_service, instruction_id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)', [
    id,
    paymentId,
    amountMinor,
    reason ?? null,
    notes ?? null,
    refundedBy,
    status,
    txnId ?? null,
    byService ? 1 : 0,
    instructionId ?? null,
    createdAt,
  ]);
}

/** False when it was settled before. */
export async function settleRefund(tx: Transaction, { id, status, txnId, error }: Refund): Promise<boolean> {
  const rows = await runSql(tx, `UPDATE payment_refund SET status = ?, service_txn_id = ?, error_code = ?, error_message = ? WHERE id = ? AND status = 'processing' RETURNING id`, [status, txnId ?? null, error?.code ?? null, error?.message ?? null, id]);
  return rows.length === 1;
}

/** The oldest first. */
export async function listRefunds(db: Queryable, paymentId: string): Promise<Refund[]> {
  return (await runSql<RefundRow>(db, 'SELECT * FROM payment_refund WHERE payment_id = ? ORDER BY created_at, id', [paymentId])).map(fromRow);
}

export async function findRefund(db: Queryable, id: string): Promise<Refund | undefined> {
  const [row] = await runSql<RefundRow>(db, 'SELECT * FROM payment_refund WHERE id = ?', [id]);
  return row === undefined ? undefined : fromRow(row);
}

/** The refund that the wallet service was told of so. */
export async function findRefundByInstruction(db: Queryable, instructionId: string): Promise<Refund | undefined> {
  const [row] = await runSql<RefundRow>(db, 'SELECT * FROM payment_refund WHERE instruction_id = ?', [instructionId]);
  return row === undefined ? undefined : fromRow(row);
}
