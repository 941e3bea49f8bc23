import type { Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { dayOf, rank, type RankingPolicy } from './ranking.ts';
import { forgetOldDays, readCounters, saveScores, takeDue } from './score-repo.ts';

export interface ScoresDependencies {
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly policy: RankingPolicy;
  readonly intervalMs: number;
  /** Called once all scores are what they should be. */
  readonly onRanked: (tx: Transaction) => Promise<void>;
}

export const scoreKind = 'catalog.score';

/** Apps whose scores are computed in one transaction: some milliseconds, for which everybody else waits on SQLite. */
const batch = 100;

interface ScoreJob {
  readonly tick: number;
  readonly round: number;
}

/** Computes the scores of up to `limit` apps whose counters have changed, or that another day has come for. Returns how many. */
export async function scoreDue(tx: Transaction, { clock, policy }: Pick<ScoresDependencies, 'clock' | 'policy'>, limit = batch): Promise<number> {
  const today = dayOf(clock.now());
  const seqs = await takeDue(tx, today, limit);
  const counters = await readCounters(tx, seqs, today);
  await saveScores(tx, [...counters].map(([seq, one]) => ({ seq, ...rank(one, policy, today) })).map(({ seq, score, trend }) => ({ seq, score, trend })));
  await forgetOldDays(tx, seqs, today);
  return seqs.length;
}

/** Keeps the ranking at what the counters say: every so often, batch after batch, once however many instances there are. */
export function createScores(deps: ScoresDependencies): { readonly job: JobKind; readonly schedule: (tx: Transaction) => void } {
  const { clock, queue, intervalMs, onRanked } = deps;
  const enqueue = (tx: Transaction, job: ScoreJob, runAt: number): void => queue.enqueue(tx, { id: `${scoreKind}:${job.tick}:${job.round}`, stream: scoreKind, kind: scoreKind, body: job, runAt });
  const schedule = (tx: Transaction): void => {
    const tick = Math.floor(clock.now() / intervalMs) + 1;
    enqueue(tx, { tick, round: 0 }, tick * intervalMs);
  };
  return {
    schedule,
    job: {
      run: (job) =>
        Promise.resolve(async (tx: Transaction) => {
          const { tick, round } = job.body as ScoreJob;
          if ((await scoreDue(tx, deps)) === batch) return enqueue(tx, { tick, round: round + 1 }, clock.now());
          await onRanked(tx);
          schedule(tx);
        }),
    },
  };
}
