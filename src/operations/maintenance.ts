import type { Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';

export interface MaintenanceDependencies {
  readonly queue: JobQueue;
  readonly clock: Clock;
  /** Each deletes some of what nobody needs any more; true: there is more than it takes at once. */
  readonly chores: readonly ((tx: Transaction, now: number) => Promise<unknown>)[];
}

const intervalMs = 10 * 60_000;
/** While there is more to delete than is deleted at once: many small transactions hold nobody up for long. */
const againMs = 10_000;
export const maintenanceKind = 'maintenance';

/** Tidies up every ten minutes and, while it is behind, every ten seconds; once however many instances there are: the tick is the job's id. */
export function createMaintenance({ queue, clock, chores }: MaintenanceDependencies): { readonly job: JobKind; readonly schedule: (tx: Transaction) => void } {
  const enqueue = (tx: Transaction, name: string, everyMs: number): void => {
    const tick = Math.floor(clock.now() / everyMs) + 1;
    queue.enqueue(tx, { id: `${name}:${tick}`, stream: maintenanceKind, kind: maintenanceKind, body: {}, runAt: tick * everyMs });
  };
  const schedule = (tx: Transaction): void => enqueue(tx, maintenanceKind, intervalMs);
  return {
    schedule,
    job: {
      run: () =>
        Promise.resolve(async (tx: Transaction) => {
          let isBehind = false;
          for (const chore of chores) if ((await chore(tx, clock.now())) === true) isBehind = true;
          schedule(tx);
          if (isBehind) enqueue(tx, `${maintenanceKind}:again`, againMs);
        }),
    },
  };
}
