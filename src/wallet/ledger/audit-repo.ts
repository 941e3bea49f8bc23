import type { Queryable } from '../../database/index.ts';
import type { Currency } from '../../kernel/money.ts';
import { windowsAt } from '../levels.ts';

/** Something that must never be, found in the books. */
export interface Break {
  readonly check: string;
  readonly detail: string;
}

/** Breaks shown of one check; one is too many. */
const shown = 20;
const dayMs = 86_400_000;

type Row = Readonly<Record<string, string | number | null>>;

/** Rows of a query that finds what must not be there; large sums come as text from PostgreSQL. */
export async function auditRows(db: Queryable, sql: string): Promise<Row[]> {
  const result: unknown = await db.sql.raw(sql);
  return db.dialect === 'postgres' ? (result as { rows: Row[] }).rows : (result as Row[]);
}

/** One break for each row of a query. */
export async function breaksOf(db: Queryable, check: string, sql: string): Promise<Break[]> {
  const rows = await auditRows(db, `${sql} LIMIT ${shown}`);
  return rows.map((row) => ({ check, detail: Object.entries(row).map(([name, value]) => `${name}=${value}`).join(' ') }));
}

/** What every account's sums must be, from nothing but the transfers. */
const replayed = `
  SELECT account, SUM(dr_posted) AS dr_posted, SUM(cr_posted) AS cr_posted, SUM(dr_pending) AS dr_pending, SUM(cr_pending) AS cr_pending FROM (
    SELECT debit AS account, CASE WHEN kind IN ('single', 'post') THEN amount ELSE 0 END AS dr_posted, 0 AS cr_posted,
           CASE kind WHEN 'pending' THEN amount WHEN 'single' THEN 0 ELSE -amount END AS dr_pending, 0 AS cr_pending FROM ledger_transfer
    UNION ALL
    SELECT credit, 0, CASE WHEN kind IN ('single', 'post') THEN amount ELSE 0 END, 0,
           CASE kind WHEN 'pending' THEN amount WHEN 'single' THEN 0 ELSE -amount END FROM ledger_transfer
  ) AS sides GROUP BY account`;

const queries: Readonly<Record<string, string>> = {
  'each balance equals a replay of the transfers': `
    SELECT a.id, a.kind, a.owner, a.currency, a.dr_posted, a.cr_posted, a.dr_pending, a.cr_pending,
           r.dr_posted AS replayed_dr_posted, r.cr_posted AS replayed_cr_posted, r.dr_pending AS replayed_dr_pending, r.cr_pending AS replayed_cr_pending
    FROM ledger_account a LEFT JOIN (${replayed}) AS r ON r.account = a.id
    WHERE a.dr_posted <> COALESCE(r.dr_posted, 0) OR a.cr_posted <> COALESCE(r.cr_posted, 0)
       OR a.dr_pending <> COALESCE(r.dr_pending, 0) OR a.cr_pending <> COALESCE(r.cr_pending, 0)`,
  'no account is overdrawn': `
    SELECT id, kind, owner, currency FROM ledger_account
    WHERE dr_posted < 0 OR cr_posted < 0 OR dr_pending < 0 OR cr_pending < 0 OR (may_overdraw = 0 AND cr_posted - dr_posted - dr_pending < 0)`,
  'only accounts of the outside may be overdrawn': `SELECT id, kind, owner FROM ledger_account WHERE may_overdraw <> CASE WHEN kind IN ('equity', 'external') THEN 1 ELSE 0 END`,
  'the books of each currency sum to zero': `
    SELECT currency, SUM(cr_posted) - SUM(dr_posted) AS posted, SUM(cr_pending) - SUM(dr_pending) AS pending FROM ledger_account GROUP BY currency
    HAVING SUM(cr_posted) <> SUM(dr_posted) OR SUM(cr_pending) <> SUM(dr_pending)`,
  'both sides of a transfer are in its currency': `
    SELECT t.id, t.currency, d.currency AS debit_currency, c.currency AS credit_currency FROM ledger_transfer t
    LEFT JOIN ledger_account d ON d.id = t.debit LEFT JOIN ledger_account c ON c.id = t.credit
    WHERE d.id IS NULL OR c.id IS NULL OR d.currency <> t.currency OR c.currency <> t.currency OR t.debit = t.credit OR t.amount <= 0`,
  'a hold ends at most once and on its own terms': `
    SELECT e.id, e.kind, e.pending_id FROM ledger_transfer e LEFT JOIN ledger_transfer h ON h.id = e.pending_id
    WHERE e.kind IN ('post', 'void') AND (h.id IS NULL OR h.kind <> 'pending' OR h.debit <> e.debit OR h.credit <> e.credit OR h.amount <> e.amount
      OR h.currency <> e.currency OR h.ref <> e.ref OR h.limited <> e.limited
      OR EXISTS (SELECT 1 FROM ledger_transfer o WHERE o.pending_id = e.pending_id AND o.id <> e.id))`,
  'the history says what the books say': `
    SELECT w.user_id, w.txn_id, w.status, t.kind, e.kind AS ended_by FROM wallet_history w
    JOIN ledger_transfer t ON t.id = w.txn_id LEFT JOIN ledger_transfer e ON e.pending_id = t.id
    WHERE w.amount <> t.amount OR w.currency <> t.currency OR w.status NOT IN ('completed', 'pending', 'cancelled', 'rejected', 'expired')
       OR (w.status = 'completed') <> (t.kind = 'single' OR COALESCE(e.kind, '') = 'post')
       OR (w.status = 'pending') <> (t.kind = 'pending' AND e.id IS NULL)`,
  'every movement of a wallet is in its history': ['debit', 'credit']
    .map(
      (side) => `SELECT t.id, t.code, a.owner FROM ledger_transfer t JOIN ledger_account a ON a.id = t.${side} AND a.kind = 'wallet'
        LEFT JOIN wallet_history w ON w.txn_id = t.id AND w.user_id = a.owner WHERE t.kind IN ('single', 'pending') AND w.txn_id IS NULL`,
    )
    .join(' UNION ALL '),
  'whoever has an account has a wallet': `
    SELECT a.id, a.owner FROM ledger_account a LEFT JOIN wallet w ON w.user_id = a.owner WHERE a.kind = 'wallet' AND w.user_id IS NULL`,
};

/** What a refund gave back does not count on the day of the payment that it undid. */
const spentByDay = `
  SELECT a.owner, t.currency, (t.created_at / ${dayMs}) * ${dayMs} AS day,
         SUM(CASE WHEN t.kind = 'single' OR e.kind = 'post' THEN t.amount - COALESCE(r.amount, 0) ELSE 0 END) AS used,
         SUM(CASE WHEN t.kind = 'pending' AND e.id IS NULL THEN t.amount ELSE 0 END) AS reserved
  FROM ledger_transfer t JOIN ledger_account a ON a.id = t.debit LEFT JOIN ledger_transfer e ON e.pending_id = t.id
  LEFT JOIN (SELECT ref, SUM(amount) AS amount FROM ledger_transfer WHERE code = 'refund' GROUP BY ref) AS r ON t.code = 'payment' AND r.ref = t.ref
  WHERE t.limited = 1 AND t.kind IN ('single', 'pending') GROUP BY a.owner, t.currency, (t.created_at / ${dayMs}) * ${dayMs}`;

/** What counts towards the limits is what went out, or is held, in that day and month. */
async function auditLimits(db: Queryable): Promise<Break[]> {
  const expected = new Map<string, { used: number; reserved: number }>();
  for (const row of await auditRows(db, spentByDay)) {
    for (const { period, startsAt } of windowsAt(Number(row.day))) {
      const key = [row.owner, row.currency as Currency, period, startsAt].join(' ');
      const sum = expected.get(key) ?? { used: 0, reserved: 0 };
      expected.set(key, { used: sum.used + Number(row.used), reserved: sum.reserved + Number(row.reserved) });
    }
  }
  const recorded = new Map((await auditRows(db, 'SELECT user_id, currency, period, starts_at, used, reserved FROM limit_usage')).map((row) => [[row.user_id, row.currency, row.period, row.starts_at].join(' '), { used: Number(row.used), reserved: Number(row.reserved) }]));
  const none = { used: 0, reserved: 0 };
  return [...new Set([...expected.keys(), ...recorded.keys()])].flatMap((key) => {
    const [is, should] = [recorded.get(key) ?? none, expected.get(key) ?? none];
    if (is.used === should.used && is.reserved === should.reserved) return [];
    return [{ check: 'limits count what went out', detail: `${key}: used ${is.used} instead of ${should.used}, reserved ${is.reserved} instead of ${should.reserved}` }];
  });
}

/** Everything that must hold of the books, checked from the transfers alone. Ought to run in a snapshot. */
export async function auditLedger(db: Queryable): Promise<Break[]> {
  const found: Break[] = [];
  for (const [check, sql] of Object.entries(queries)) found.push(...(await breaksOf(db, check, sql)));
  return [...found, ...(await auditLimits(db))];
}

export interface BooksTotal {
  readonly currency: string;
  /** Credits of all accounts that are not the outside's: the money in the system, in minor units. */
  readonly inside: string;
  readonly accounts: number;
}

/** How much money there is, by currency. */
export async function totalsOf(db: Queryable): Promise<BooksTotal[]> {
  const rows = await auditRows(db, `SELECT currency, SUM(cr_posted - dr_posted) AS inside, COUNT(*) AS accounts FROM ledger_account WHERE kind NOT IN ('equity', 'external') GROUP BY currency ORDER BY currency`);
  return rows.map(({ currency, inside, accounts }) => ({ currency: String(currency), inside: String(inside), accounts: Number(accounts) }));
}
