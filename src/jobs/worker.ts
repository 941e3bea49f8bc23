import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { errorText } from '../kernel/errors.ts';
import { newId } from '../kernel/ids.ts';
import { currentTrace, plainTracer, readTraceparent, type Tracer } from '../kernel/trace.ts';
import type { Log } from '../kernel/log.ts';
import { LoopHealth, type LoopReport } from '../kernel/loop-health.ts';
import { beginHead, claimStreams, extendLeases, holdStream, markDone, releaseStream, type BegunJob, type Claim } from './repo.ts';
import { recordFailure, type RetryOptions } from './retry.ts';
import { Park, Unavailable, type JobKind, type Recording } from './types.ts';

export interface WorkerOptions extends RetryOptions {
  readonly pollIntervalMs: number;
  readonly leaseMs: number;
  /** Streams worked on at the same time. */
  readonly concurrency: number;
}

export type Settlement = 'done' | 'retry' | 'waiting' | 'parked';

export interface WorkerDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly kinds: Readonly<Record<string, JobKind>>;
  readonly options: WorkerOptions;
  /** Traces go on without one, and are kept nowhere. */
  readonly tracer?: Tracer;
  readonly onSettled?: (kind: string, outcome: Settlement) => void;
}

type Outcome = { readonly recording: Recording | void } | { readonly error: unknown };

/** A turn's longest run on one stream, so that a busy room does not starve the others. */
const maxJobsPerTurn = 50;
const minSilenceMs = 60_000;

/** The dispatcher of the durable queue. Any number may run, in any number of processes. */
export class Worker {
  readonly #deps: WorkerDependencies;
  readonly #owner = newId('worker');
  readonly #turns = new Set<Promise<void>>();
  #stopping = false;
  #woken = false;
  #endPause: () => void = () => {};
  #loop: Promise<void> | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  readonly #looking: LoopHealth;
  readonly #leasing: LoopHealth;

  constructor(deps: WorkerDependencies) {
    this.#deps = deps;
    this.#looking = new LoopHealth(deps.clock, Math.max(minSilenceMs, 4 * deps.options.pollIntervalMs));
    this.#leasing = new LoopHealth(deps.clock, Math.max(minSilenceMs, deps.options.leaseMs));
  }

  start(): void {
    const { database, clock, log, options } = this.#deps;
    this.#heartbeat = setInterval(() => {
      if (this.#turns.size === 0) return this.#leasing.succeeded();
      extendLeases(database, this.#owner, clock.now() + options.leaseMs).then(
        () => this.#leasing.succeeded(),
        (error: unknown) => {
          this.#leasing.failed(error);
          log.error({ error: errorText(error) }, 'leases could not be extended');
        },
      );
    }, options.leaseMs / 4);
    this.#loop = this.#run();
  }

  /** Looks for work now instead of at the next poll. */
  wake(): void {
    this.#woken = true;
    this.#endPause();
  }

  /** Lets the jobs that are running finish, gives their streams back, and returns. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.wake();
    await this.#loop;
    await Promise.all(this.#turns);
    clearInterval(this.#heartbeat);
  }

  /** Of its two loops: the one that looks for work, and the one that extends the leases of what is being worked on. */
  health(): { readonly worker: LoopReport; readonly leases: LoopReport } {
    return { worker: this.#looking.report(), leases: this.#leasing.report() };
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#woken = false;
      try {
        await this.#lookForWork();
        this.#looking.succeeded();
      } catch (error) {
        this.#looking.failed(error);
        this.#deps.log.error({ error: errorText(error) }, 'the job worker could not look for work');
      }
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#woken || this.#stopping) return resolve();
      const timer = setTimeout(resolve, this.#deps.options.pollIntervalMs);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #lookForWork(): Promise<void> {
    const { database, clock, options } = this.#deps;
    const free = options.concurrency - this.#turns.size;
    if (free <= 0) return;
    const now = clock.now();
    for (const claim of await database.inTransaction((tx) => claimStreams(tx, this.#owner, free, now, now + options.leaseMs))) this.#startTurn(claim);
  }

  #startTurn(claim: Claim): void {
    const turn = this.#runTurn(claim)
      .catch((error: unknown) => {
        // The lease lapses and the stream is claimed again: nothing is lost by going on.
        this.#deps.log.error({ stream: claim.stream, error: errorText(error) }, 'a turn of the job worker failed');
      })
      .finally(() => {
        this.#turns.delete(turn);
        this.wake();
      });
    this.#turns.add(turn);
  }

  async #runTurn(claim: Claim): Promise<void> {
    const { database, clock } = this.#deps;
    let job = await database.inTransaction(async (tx) => {
      if (!(await holdStream(tx, claim))) return undefined;
      const head = await beginHead(tx, claim, clock.now());
      if (head === undefined) await releaseStream(tx, claim);
      return head;
    });
    for (let done = 1; job !== undefined; done += 1) {
      const outcome = await this.#runJob(job);
      job = await this.#settleOrFail(claim, job, outcome, done < maxJobsPerTurn);
    }
  }

  /** The job goes on with the trace of what queued it. */
  async #runJob(begun: BegunJob): Promise<Outcome> {
    const span = (this.#deps.tracer ?? plainTracer).startSpan(`job ${begun.kind}`, 'consumer', readTraceparent(begun.traceparent));
    const outcome = await currentTrace.run(span.trace, () => this.#handle(begun));
    span.end({ failed: 'error' in outcome, attributes: { job: begun.id, kind: begun.kind, attempt: begun.attempt } });
    return outcome;
  }

  async #handle({ bodyText, traceparent: _, ...job }: BegunJob): Promise<Outcome> {
    const kind = this.#deps.kinds[job.kind];
    // Of a newer process, while servers are being replaced one by one: it waits for a worker that knows it.
    if (kind === undefined) return { error: new Unavailable(`no handler here for jobs of kind ${job.kind}: a newer version queued it`) };
    let body: unknown;
    try {
      body = JSON.parse(bodyText);
    } catch {
      return { error: new Park('the body is not JSON') };
    }
    try {
      return { recording: await kind.run({ ...job, body }) };
    } catch (error) {
      return { error };
    }
  }

  async #settleOrFail(claim: Claim, job: BegunJob, outcome: Outcome, goOn: boolean): Promise<BegunJob | undefined> {
    try {
      return await this.#settle(claim, job, outcome, goOn);
    } catch (error) {
      // What the handler left to be written did not go in: that is a failed attempt like any other.
      if ('error' in outcome) throw error;
      return this.#settle(claim, job, { error }, goOn);
    }
  }

  /** Writes the outcome and takes the stream's next job, in one transaction. Undefined ends the turn. */
  async #settle(claim: Claim, job: BegunJob, outcome: Outcome, goOn: boolean): Promise<BegunJob | undefined> {
    const { database, clock, kinds, options } = this.#deps;
    const { next, settlement } = await database.inTransaction(async (tx) => {
      if (!(await holdStream(tx, claim))) return { next: undefined, settlement: 'lost' as const };
      let settled: Settlement = 'done';
      if ('error' in outcome) {
        settled = await recordFailure(tx, job, kinds[job.kind], outcome.error, options, clock.now());
      } else {
        if (outcome.recording !== undefined) await outcome.recording(tx);
        await markDone(tx, job.id, clock.now(), kinds[job.kind]?.forgetBody ?? false);
      }
      const head = goOn && !this.#stopping ? await beginHead(tx, claim, clock.now()) : undefined;
      if (head === undefined) await releaseStream(tx, claim);
      return { next: head, settlement: settled };
    });
    this.#report(job, settlement, outcome);
    return next;
  }

  #report(job: BegunJob, settlement: Settlement | 'lost', outcome: Outcome): void {
    const { log, onSettled } = this.#deps;
    if (settlement !== 'lost') onSettled?.(job.kind, settlement);
    const fields = { job: job.id, kind: job.kind, stream: job.stream, attempt: job.attempt, ...('error' in outcome ? { error: errorText(outcome.error) } : {}) };
    if (settlement === 'parked') log.error(fields, 'job parked: it will not be tried again unless an administrator replays it');
    else if (settlement === 'retry') log.warn(fields, 'job failed and will be tried again');
    else if (settlement === 'lost') log.warn(fields, 'another worker has taken over this stream');
    else log.debug(fields, settlement === 'done' ? 'job done' : 'job waits for what it needs');
  }
}
