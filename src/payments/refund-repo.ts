import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { Refund } from './types.ts';

interface RefundRow {
  id: string;
  payment_id: string;
  amount: number;
  reason: string | null;
  notes: string | null;
  refunded_by: string;
  txn_id: string;
  created_at: number;
}

export async function insertRefund(tx: Transaction, refund: Refund): Promise<void> {
  await runSql(tx, 'INSERT INTO payment_refund (id, payment_id, amount, reason, notes, refunded_by, txn_id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)', [
    refund.id,
    refund.paymentId,
    refund.amountMinor,
    refund.reason ?? null,
    refund.notes ?? null,
    refund.refundedBy,
    refund.txnId,
    refund.createdAt,
  ]);
}

/** The oldest first. */
export async function listRefunds(db: Queryable, paymentId: string): Promise<Refund[]> {
  const rows = await runSql<RefundRow>(db, 'SELECT * FROM payment_refund WHERE payment_id = ? ORDER BY created_at, id', [paymentId]);
  return rows.map((row) => ({
    id: row.id,
    paymentId: row.payment_id,
    amountMinor: row.amount,
    reason: row.reason ?? undefined,
    notes: row.notes ?? undefined,
    refundedBy: row.refunded_by,
    txnId: row.txn_id,
    createdAt: row.created_at,
  }));
}
