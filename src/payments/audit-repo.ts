import type { Queryable } from '../database/index.ts';
import { breaksOf, type Break } from '../wallet/index.ts';

const checks: Readonly<Record<string, string>> = {
  'a payment has money in the ledger exactly when it went on': `
    SELECT p.id, p.status, t.kind, e.kind AS ended_by FROM payment p LEFT JOIN ledger_transfer t ON t.id = p.txn_id LEFT JOIN ledger_transfer e ON e.pending_id = t.id
    WHERE p.by_service = 0 AND NOT (
      (p.status IN ('completed', 'partially_refunded', 'refunded') AND t.id IS NOT NULL AND (t.kind = 'single' OR (t.kind = 'pending' AND COALESCE(e.kind, '') = 'post')))
      OR (p.status = 'processing' AND t.id IS NOT NULL AND t.kind = 'pending' AND e.id IS NULL)
      OR (p.status = 'failed' AND (t.id IS NULL OR (t.kind = 'pending' AND COALESCE(e.kind, '') = 'void')))
      OR (p.status IN ('pending_authorization', 'mfa_required', 'cancelled', 'expired') AND t.id IS NULL))`,
  'a payment in the hands of a wallet service stands where the service left it': `
    SELECT p.id, p.status, p.service_txn_id, i.state, i.txn_id FROM payment p LEFT JOIN wallet_instruction i ON i.ref = p.id AND i.code = 'payment'
    WHERE p.by_service = 1 AND NOT (p.sandbox = 0 AND p.txn_id IS NULL AND i.id IS NOT NULL AND (
      (p.status IN ('completed', 'partially_refunded', 'refunded') AND i.state = 'done' AND i.txn_id = p.service_txn_id)
      OR (p.status = 'processing' AND i.state = 'open' AND p.service_txn_id IS NULL)
      OR (p.status = 'failed' AND i.state = 'refused' AND p.service_txn_id IS NULL)))`,
  'every instruction for a payment is of one of the payments, once': `
    SELECT i.ref, COUNT(*) AS instructions FROM wallet_instruction i LEFT JOIN payment p ON p.id = i.ref AND p.by_service = 1 WHERE i.code = 'payment' GROUP BY i.ref HAVING COUNT(*) <> 1 OR COUNT(p.id) <> 1`,
  'the ledger booked the terms of the payment': `
    SELECT p.id, p.amount, t.amount AS booked, d.kind AS debited_kind, d.owner AS debited, c.kind AS credited_kind, c.owner AS credited FROM payment p
    JOIN ledger_transfer t ON t.id = p.txn_id JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit
    WHERE t.amount <> p.amount OR t.currency <> p.currency OR t.ref <> p.id OR t.code <> 'payment'
      OR (p.sandbox = 0 AND NOT (d.kind = 'wallet' AND d.owner = p.payer AND c.kind = 'merchant' AND c.owner = p.miniapp_id))
      OR (p.sandbox = 1 AND NOT (d.kind = 'external' AND d.owner = 'sandbox:' || p.payer AND c.kind = 'external' AND c.owner = 'sandbox:' || p.miniapp_id))`,
  'every booked payment is one of the payments, once': `
    SELECT t.id, t.ref FROM ledger_transfer t LEFT JOIN payment p ON p.txn_id = t.id WHERE t.code = 'payment' AND t.kind IN ('single', 'pending') AND p.id IS NULL`,
  'what was refunded is the sum of the refunds': `
    SELECT p.id, p.refunded, p.refunding, SUM(CASE WHEN r.status = 'completed' THEN r.amount ELSE 0 END) AS refunds, SUM(CASE WHEN r.status = 'processing' THEN r.amount ELSE 0 END) AS on_their_way
    FROM payment p LEFT JOIN payment_refund r ON r.payment_id = p.id GROUP BY p.id, p.amount, p.refunded, p.refunding
    HAVING p.refunded <> SUM(CASE WHEN r.status = 'completed' THEN r.amount ELSE 0 END) OR p.refunding <> SUM(CASE WHEN r.status = 'processing' THEN r.amount ELSE 0 END) OR p.refunded + p.refunding > p.amount`,
  'a refund in the hands of a wallet service stands where the service left it': `
    SELECT r.id, r.status, r.service_txn_id, i.state, i.txn_id FROM payment_refund r JOIN payment p ON p.id = r.payment_id LEFT JOIN wallet_instruction i ON i.id = r.instruction_id
    WHERE r.by_service = 1 AND NOT (p.by_service = 1 AND i.id IS NOT NULL AND i.code = 'refund' AND i.ref = r.payment_id AND (
      (r.status = 'completed' AND i.state = 'done' AND i.txn_id = r.service_txn_id) OR (r.status = 'processing' AND i.state = 'open') OR (r.status = 'failed' AND i.state = 'refused')))`,
  'every instruction for a refund is of one of the refunds': `SELECT i.id, i.ref FROM wallet_instruction i LEFT JOIN payment_refund r ON r.instruction_id = i.id WHERE i.code = 'refund' AND r.id IS NULL`,
  'the ledger booked each refund the other way round': `
    SELECT r.id, r.amount, t.amount AS booked FROM payment_refund r JOIN payment p ON p.id = r.payment_id JOIN ledger_transfer o ON o.id = p.txn_id LEFT JOIN ledger_transfer t ON t.id = r.txn_id
    WHERE r.by_service = 0 AND (t.id IS NULL OR t.kind <> 'single' OR t.code <> 'refund' OR t.amount <> r.amount OR t.currency <> p.currency OR t.ref <> p.id OR t.debit <> o.credit OR t.credit <> o.debit)`,
  'every booked refund is one of the refunds, once': `SELECT t.id, t.ref FROM ledger_transfer t LEFT JOIN payment_refund r ON r.txn_id = t.id WHERE t.code = 'refund' AND r.id IS NULL`,
};

/** The money of every payment and refund is where its state says. */
export async function auditPayments(db: Queryable): Promise<Break[]> {
  const found: Break[] = [];
  for (const [check, sql] of Object.entries(checks)) found.push(...(await breaksOf(db, check, sql)));
  return found;
}
