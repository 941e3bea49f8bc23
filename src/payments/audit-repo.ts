import type { Queryable } from '../database/index.ts';
import { breaksOf, type Break } from '../wallet/index.ts';

const checks: Readonly<Record<string, string>> = {
  'a payment has money in the ledger exactly when it went on': `
    SELECT p.id, p.status, t.kind, e.kind AS ended_by FROM payment p LEFT JOIN ledger_transfer t ON t.id = p.txn_id LEFT JOIN ledger_transfer e ON e.pending_id = t.id
    WHERE NOT (
      (p.status IN ('completed', 'partially_refunded', 'refunded') AND t.id IS NOT NULL AND (t.kind = 'single' OR (t.kind = 'pending' AND COALESCE(e.kind, '') = 'post')))
      OR (p.status = 'processing' AND t.id IS NOT NULL AND t.kind = 'pending' AND e.id IS NULL)
      OR (p.status = 'failed' AND (t.id IS NULL OR (t.kind = 'pending' AND COALESCE(e.kind, '') = 'void')))
      OR (p.status IN ('pending_authorization', 'mfa_required', 'cancelled', 'expired') AND t.id IS NULL))`,
  'the ledger booked the terms of the payment': `
    SELECT p.id, p.amount, t.amount AS booked, d.kind AS debited_kind, d.owner AS debited, c.kind AS credited_kind, c.owner AS credited FROM payment p
    JOIN ledger_transfer t ON t.id = p.txn_id JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit
    WHERE t.amount <> p.amount OR t.currency <> p.currency OR t.ref <> p.id OR t.code <> 'payment'
      OR (p.sandbox = 0 AND NOT (d.kind = 'wallet' AND d.owner = p.payer AND c.kind = 'merchant' AND c.owner = p.miniapp_id))
      OR (p.sandbox = 1 AND NOT (d.kind = 'external' AND d.owner = 'sandbox:' || p.payer AND c.kind = 'external' AND c.owner = 'sandbox:' || p.miniapp_id))`,
  'every booked payment is one of the payments, once': `
    SELECT t.id, t.ref FROM ledger_transfer t LEFT JOIN payment p ON p.txn_id = t.id WHERE t.code = 'payment' AND t.kind IN ('single', 'pending') AND p.id IS NULL`,
  'what was refunded is the sum of the refunds': `
    SELECT p.id, p.refunded, COALESCE(SUM(r.amount), 0) AS refunds FROM payment p LEFT JOIN payment_refund r ON r.payment_id = p.id
    GROUP BY p.id, p.refunded HAVING p.refunded <> COALESCE(SUM(r.amount), 0)`,
  'the ledger booked each refund the other way round': `
    SELECT r.id, r.amount, t.amount AS booked FROM payment_refund r JOIN payment p ON p.id = r.payment_id JOIN ledger_transfer o ON o.id = p.txn_id LEFT JOIN ledger_transfer t ON t.id = r.txn_id
    WHERE t.id IS NULL OR t.kind <> 'single' OR t.code <> 'refund' OR t.amount <> r.amount OR t.currency <> p.currency OR t.ref <> p.id OR t.debit <> o.credit OR t.credit <> o.debit`,
  'every booked refund is one of the refunds, once': `SELECT t.id, t.ref FROM ledger_transfer t LEFT JOIN payment_refund r ON r.txn_id = t.id WHERE t.code = 'refund' AND r.id IS NULL`,
};

/** The money of every payment and refund is where its state says. */
export async function auditPayments(db: Queryable): Promise<Break[]> {
  const found: Break[] = [];
  for (const [check, sql] of Object.entries(checks)) found.push(...(await breaksOf(db, check, sql)));
  return found;
}
