import type { Queryable } from '../database/index.ts';
import type { Break } from '../wallet/index.ts';

/** Every check of the books, of the ledger and of all that moves money. Ought to run in a snapshot. */
export async function auditBooks(db: Queryable): Promise<Break[]> {
  const { auditLedger } = await import('../wallet/index.ts');
  const { auditTransfers } = await import('../transfers/index.ts');
  const { auditGifts } = await import('../gifts/index.ts');
  const { auditPayments } = await import('../payments/index.ts');
  const { auditExternal } = await import('../external/index.ts');
  const found: Break[] = [];
  for (const audit of [auditLedger, auditTransfers, auditGifts, auditPayments, auditExternal]) found.push(...(await audit(db)));
  return found;
}
