import type { Database } from '../../database/index.ts';
import { answer, type Routes } from '../../http/index.ts';
import { toWire } from './entry.ts';
import { searchSealed } from './repo.ts';

interface AuditQuery {
  readonly limit: number;
  readonly before?: number;
  readonly action?: string;
  readonly actor?: string;
  readonly target?: string;
}

export const auditRoutes = ({ database }: { readonly database: Database }): Routes => ({
  listAudit: async (request) => {
    const { limit, before, ...filter } = request.query as unknown as AuditQuery;
    const entries = await searchSealed(database, { ...filter, ...(before === undefined ? {} : { beforeSeq: before }) }, limit);
    const next = entries.length === limit ? entries.at(-1)?.seq : undefined;
    return answer({ entries: entries.map(toWire), ...(next === undefined ? {} : { next_before: next }) });
  },
});
