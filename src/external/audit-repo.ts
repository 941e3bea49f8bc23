import type { Queryable } from '../database/index.ts';
import { breaksOf, type Break } from '../wallet/index.ts';

const checks: Readonly<Record<string, string>> = {
  'the money of a withdrawal is where its state says': `
    SELECT o.id, o.status, t.kind, e.kind AS ended_by FROM external_order o LEFT JOIN ledger_transfer t ON t.id = o.txn_id LEFT JOIN ledger_transfer e ON e.pending_id = t.id
    WHERE o.kind = 'withdrawal' AND NOT (
      (o.status = 'pending_authorization' AND t.id IS NULL)
      OR (o.status IN ('pending_approval', 'processing') AND t.id IS NOT NULL AND t.kind = 'pending' AND e.id IS NULL)
      OR (o.status = 'completed' AND t.id IS NOT NULL AND t.kind = 'pending' AND COALESCE(e.kind, '') = 'post')
      OR (o.status IN ('cancelled', 'expired') AND (t.id IS NULL OR (t.kind = 'pending' AND COALESCE(e.kind, '') = 'void')))
      OR (o.status = 'failed' AND t.id IS NOT NULL AND t.kind = 'pending' AND COALESCE(e.kind, '') = 'void'))`,
  'a funding is in the ledger exactly when it is completed': `
    SELECT o.id, o.status, t.kind FROM external_order o LEFT JOIN ledger_transfer t ON t.id = o.txn_id
    WHERE o.kind = 'funding' AND NOT ((o.status = 'completed' AND t.id IS NOT NULL AND t.kind = 'single') OR (o.status <> 'completed' AND t.id IS NULL))`,
  'the ledger booked the terms of the order': `
    SELECT o.id, o.kind, o.amount, t.amount AS booked, d.owner AS debited, c.owner AS credited FROM external_order o
    JOIN external_account a ON a.id = o.account_id JOIN ledger_transfer t ON t.id = o.txn_id JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit
    WHERE t.amount <> o.amount OR t.currency <> o.currency OR t.ref <> o.id OR t.code <> o.kind OR a.currency <> o.currency
      OR (o.kind = 'withdrawal' AND NOT (d.kind = 'wallet' AND d.owner = o.user_id AND c.kind = 'external' AND c.owner = 'provider:' || a.provider))
      OR (o.kind = 'funding' AND NOT (c.kind = 'wallet' AND c.owner = o.user_id AND d.kind = 'external' AND d.owner = 'provider:' || a.provider))`,
  'every booked funding and withdrawal is one of the orders, once': `
    SELECT t.id, t.ref FROM ledger_transfer t LEFT JOIN external_order o ON o.txn_id = t.id WHERE t.code IN ('funding', 'withdrawal') AND t.kind IN ('single', 'pending') AND o.id IS NULL`,
  'money goes to and comes from an account of the same user': `SELECT o.id FROM external_order o JOIN external_account a ON a.id = o.account_id WHERE a.user_id <> o.user_id`,
  "a provider's account is what its orders moved": `
    SELECT a.owner, a.currency, a.cr_posted, a.dr_posted, o.paid_out, o.collected FROM ledger_account a
    LEFT JOIN (SELECT 'provider:' || x.provider AS owner, r.currency, SUM(CASE WHEN r.kind = 'withdrawal' THEN r.amount ELSE 0 END) AS paid_out, SUM(CASE WHEN r.kind = 'funding' THEN r.amount ELSE 0 END) AS collected
      FROM external_order r JOIN external_account x ON x.id = r.account_id WHERE r.status = 'completed' GROUP BY x.provider, r.currency) AS o ON o.owner = a.owner AND o.currency = a.currency
    WHERE a.kind = 'external' AND a.owner LIKE 'provider:%' AND (a.cr_posted <> COALESCE(o.paid_out, 0) OR a.dr_posted <> COALESCE(o.collected, 0))`,
  'a withdrawal that had to be approved went on with enough approvals': `
    SELECT o.id, o.status, o.approvals_needed FROM external_order o
    WHERE o.approvals_needed > 0 AND o.status IN ('processing', 'completed') AND (SELECT COUNT(*) FROM withdrawal_approval w WHERE w.withdrawal_id = o.id) < o.approvals_needed`,
};

/** The money of every funding and withdrawal is where its state says. */
export async function auditExternal(db: Queryable): Promise<Break[]> {
  const found: Break[] = [];
  for (const [check, sql] of Object.entries(checks)) found.push(...(await breaksOf(db, check, sql)));
  return found;
}
