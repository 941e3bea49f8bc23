import { runSql, type Queryable } from '../database/index.ts';
import { asCurrency, type Currency } from '../kernel/money.ts';

const dayMs = 86_400_000;

/** What a mini-app was paid in one currency on one day (days since 1970, UTC), and what it gave back on it, of whichever day's payments. */
export interface Turnover {
  readonly day: number;
  readonly currency: Currency;
  /** Play money of the time before approval. */
  readonly sandbox: boolean;
  readonly payments: number;
  readonly paidMinor: bigint;
  readonly refunds: number;
  readonly refundedMinor: bigint;
}

/** Sums may be larger than any amount: play money has no limits. So they are made in two parts, of which each fits. */
const unit = 1_000_000;

type Row = Readonly<Record<'day' | 'sandbox' | 'payments' | 'paid_units' | 'paid_rest' | 'refunds' | 'refunded_units' | 'refunded_rest', number>> & { readonly currency: string };

const sum = (units: number, rest: number): bigint => BigInt(units) * BigInt(unit) + BigInt(rest);
const parts = (amount: string): string => `count(*), sum(${amount} / ${unit}), sum(${amount} % ${unit})`;
const summed = ['payments', 'paid_units', 'paid_rest', 'refunds', 'refunded_units', 'refunded_rest'].map((name) => `CAST(sum(${name}) AS bigint) AS ${name}`).join(', ');

/** Times in milliseconds, `until` not included. */
export async function listTurnover(db: Queryable, miniappId: string, from: number, until: number): Promise<Turnover[]> {
  const rows = await runSql<Row>(
    db,
    `WITH moved (day, sandbox, currency, payments, paid_units, paid_rest, refunds, refunded_units, refunded_rest) AS (
       SELECT completed_at / ${dayMs}, sandbox, currency, ${parts('amount')}, 0, 0, 0
         FROM payment WHERE miniapp_id = ? AND completed_at IS NOT NULL AND completed_at >= ? AND completed_at < ? GROUP BY 1, 2, 3
       UNION ALL
       SELECT r.created_at / ${dayMs}, p.sandbox, p.currency, 0, 0, 0, ${parts('r.amount')}
         FROM payment p JOIN payment_refund r ON r.payment_id = p.id WHERE p.miniapp_id = ? AND p.refunded > 0 AND r.status = 'completed' AND r.created_at >= ? AND r.created_at < ? GROUP BY 1, 2, 3
     ) SELECT day, sandbox, currency, ${summed} FROM moved GROUP BY day, sandbox, currency ORDER BY day, sandbox, currency`,
    [miniappId, from, until, miniappId, from, until],
  );
  return rows.map((row) => ({
    day: row.day,
    currency: asCurrency(row.currency),
    sandbox: row.sandbox === 1,
    payments: row.payments,
    paidMinor: sum(row.paid_units, row.paid_rest),
    refunds: row.refunds,
    refundedMinor: sum(row.refunded_units, row.refunded_rest),
  }));
}
