import type { Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';

export interface MaintenanceDependencies {
  readonly queue: JobQueue;
  readonly clock: Clock;
  /** Each deletes some of what nobody needs any more. */
  readonly chores: readonly ((tx: Transaction, now: number) => Promise<unknown>)[];
}

const intervalMs = 10 * 60_000;
export const maintenanceKind = 'maintenance';

/** Tidies up every ten minutes, once however many instances there are: the tick is the job's id. */
export function createMaintenance({ queue, clock, chores }: MaintenanceDependencies): { readonly job: JobKind; readonly schedule: (tx: Transaction) => void } {
  const schedule = (tx: Transaction): void => {
    const tick = Math.floor(clock.now() / intervalMs) + 1;
    queue.enqueue(tx, { id: `${maintenanceKind}:${tick}`, stream: maintenanceKind, kind: maintenanceKind, body: {}, runAt: tick * intervalMs });
  };
  return {
    schedule,
    job: {
      run: () =>
        Promise.resolve(async (tx: Transaction) => {
          for (const chore of chores) await chore(tx, clock.now());
          schedule(tx);
        }),
    },
  };
}
