import type { Database } from '../database/index.ts';
import { answer, principalOf, type Routes } from '../http/index.ts';
import { countUnfinished, listJobs, replayJob, replayParkedJobs } from '../jobs/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import type { RecordAudit } from '../security/audit/index.ts';

export interface MachineRoomDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly audit: RecordAudit;
  readonly rotateSigningKeys: () => Promise<string>;
  /** There is work in the queue. */
  readonly wakeWorkers: () => void;
}

/** Keys and queues for administrators; the command line has the same and more. */
export function machineRoomRoutes({ database, clock, audit, rotateSigningKeys, wakeWorkers }: MachineRoomDependencies): Routes {
  return {
    rotateKeys: async (request) => {
      const { name } = principalOf(request, 'admin');
      const kid = await rotateSigningKeys();
      await database.inTransaction((tx) => audit(tx, { actor: { kind: 'administrator', id: name }, action: 'signing_key.rotated', target: { kind: 'signing_key', id: kid } }));
      return answer({ kid });
    },
    listQueues: async (request) => {
      const { limit } = request.query as { limit: number };
      const queues = await countUnfinished(database);
      const parked = await listJobs(database, 'parked', limit);
      return answer({
        queues: queues.map(({ kind, state, count, oldestAt }) => ({ kind, state, count, oldest_at: isoTime(oldestAt) })),
        // Without bodies: they hold what people wrote.
        parked: parked.map(({ id, kind, stream, attempts, last_error: error, created_at: createdAt }) => ({ id, kind, stream, attempts, last_error: error, created_at: isoTime(createdAt) })),
      });
    },
    retryJobs: async (request) => {
      const { name } = principalOf(request, 'admin');
      const { ids, all = false } = request.body as { ids?: string[]; all?: boolean };
      if ((ids === undefined) !== all) throw invalidField('ids', 'name the jobs, or say "all": true');
      const queued = await database.inTransaction(async (tx) => {
        const now = clock.now();
        for (const id of ids ?? []) if (!(await replayJob(tx, id, now))) throw new AppError('NOT_FOUND', `No job ${id} is parked; nothing was changed`);
        const count = ids?.length ?? (await replayParkedJobs(tx, now));
        await audit(tx, { actor: { kind: 'administrator', id: name }, action: 'jobs.retried', target: { kind: 'queue', id: ids?.join(' ').slice(0, 255) ?? 'all' }, details: { count } });
        return count;
      });
      wakeWorkers();
      return answer({ queued });
    },
  };
}
