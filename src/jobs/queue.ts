import type { Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';
import { currentTrace, traceparentOf } from '../kernel/trace.ts';
import { appendJobs } from './repo.ts';
import type { NewJob } from './types.ts';

export interface JobQueue {
  /** Queues work as part of `tx`: it exists if and only if the transaction commits. */
  enqueue(tx: Transaction, job: NewJob): void;
  /** Calls back after each commit of this process that queued something; `due`: that may run now. */
  onEnqueued(listener: (due: boolean) => void): void;
}

export function createJobQueue(clock: Clock): JobQueue {
  const buffers = new WeakMap<Transaction, (NewJob & { readonly traceparent: string | undefined })[]>();
  const listeners: ((due: boolean) => void)[] = [];
  const key = {};
  return {
    enqueue(tx, queued) {
      const trace = currentTrace.getStore();
      const job = { ...queued, traceparent: trace === undefined ? undefined : traceparentOf(trace) };
      const buffered = buffers.get(tx);
      if (buffered !== undefined) {
        buffered.push(job);
        return;
      }
      const jobs = [job];
      buffers.set(tx, jobs);
      // Last in the transaction, so that the streams' rows are locked for as short a time as possible and in one order.
      tx.beforeCommit(key, () => appendJobs(tx, jobs.map((one) => ({ ...one, id: one.id ?? newId('job') })), clock.now()));
      tx.afterCommit(() => {
        const due = jobs.some(({ runAt }) => runAt === undefined || runAt <= clock.now());
        for (const listener of listeners) listener(due);
      });
    },
    onEnqueued(listener) {
      listeners.push(listener);
    },
  };
}
