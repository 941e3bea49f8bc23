import { expect } from 'chai';
import type { Database } from '../../src/database/index.ts';
import { createJobQueue, findJob, hasten, listJobs, Park, purgeFinished, RateLimited, replayJob, Unavailable, Worker, type Job, type JobKind, type Settlement } from '../../src/jobs/index.ts';
import { beginHead, claimStreams, extendLeases, holdStream } from '../../src/jobs/repo.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { onBothDatabases, openTestDatabase } from '../support/databases.ts';
import { recordingLog } from '../support/quiet-log.ts';

const options = { maxAttempts: 3, pollIntervalMs: 20, leaseMs: 5000, concurrency: 4, backoffBaseMs: 1, backoffCapMs: 5 };

onBothDatabases('the job queue', (databases) => {
  let database: Database;
  const workers: Worker[] = [];
  const queue = createJobQueue(systemClock);

  beforeEach(async () => {
    database = await openTestDatabase(databases);
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    await database.close();
  });

  const put = (stream: string, body: object, more: { id?: string; runAt?: number; kind?: string } = {}): Promise<void> =>
    database.inTransaction((tx) => {
      queue.enqueue(tx, { stream, kind: 'test', body, ...more });
      return Promise.resolve();
    });

  /** Runs workers until `count` attempts have been settled, and returns what became of each. */
  async function settle(run: JobKind['run'], count: number, { workerCount = 1, kind = {} } = {}): Promise<Settlement[]> {
    const outcomes: Settlement[] = [];
    await new Promise<void>((resolve) => {
      for (let i = 0; i < workerCount; i += 1) {
        const worker = new Worker({
          database,
          clock: systemClock,
          log: recordingLog(),
          kinds: { test: { run, ...kind } },
          options,
          onSettled: (_kind, outcome) => {
            outcomes.push(outcome);
            if (outcomes.length === count) resolve();
          },
        });
        workers.push(worker);
        worker.start();
      }
    });
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    return outcomes;
  }
  const numberOf = (job: Job): number => (job.body as { n: number }).n;

  it('keeps what only a newer version knows until a worker of that version comes', async () => {
    await put('s', { n: 1 }, { kind: 'newer' });
    expect(await settle(() => Promise.resolve(), 3)).to.deep.equal(['waiting', 'waiting', 'waiting']);
    const { promise: ran, resolve } = Promise.withResolvers<number>();
    const worker = new Worker({ database, clock: systemClock, log: recordingLog(), kinds: { newer: { run: (job) => Promise.resolve(resolve(numberOf(job))) } }, options });
    workers.push(worker);
    worker.start();
    expect(await ran).to.equal(1);
  });

  it('queues with the transaction or not at all', async () => {
    await database
      .inTransaction((tx) => {
        queue.enqueue(tx, { stream: 's', kind: 'test', body: {} });
        return Promise.reject(new Error('rolled back'));
      })
      .catch(() => undefined);
    expect(await listJobs(database, 'queued', 10)).to.deep.equal([]);
  });

  it('runs the jobs of each stream in the order of their transactions, once each, whatever the number of writers and workers', async () => {
    const streams = ['a', 'b', 'c'];
    const perStream = 40;
    const committed: Record<string, number[]> = { a: [], b: [], c: [] };
    await Promise.all(
      streams.flatMap((stream) =>
        Array.from({ length: perStream }, async (_, n) => {
          await put(stream, { n });
        }),
      ),
    );
    for (const job of await database.sql<{ stream: string; body: string }>('job').orderBy(['stream', 'pos'])) committed[job.stream]?.push(numberOf({ body: JSON.parse(job.body) } as Job));
    const seen: Record<string, number[]> = { a: [], b: [], c: [] };

    await settle((job) => Promise.resolve(void seen[job.stream]?.push(numberOf(job))), streams.length * perStream, { workerCount: 3 });

    expect(seen).to.deep.equal(committed);
    expect(seen.a).to.have.length(perStream);
  });

  it('takes a job of a known id for the same job, even when it has run', async () => {
    await put('s', { n: 1 }, { id: '$event' });
    await put('s', { n: 2 }, { id: '$event' });
    const seen: number[] = [];
    await settle((job) => Promise.resolve(void seen.push(numberOf(job))), 1);
    await put('s', { n: 3 }, { id: '$event' });
    await put('s', { n: 4 });
    await settle((job) => Promise.resolve(void seen.push(numberOf(job))), 1);
    expect(seen).to.deep.equal([1, 4]);
  });

  it('parks what fails again and again, goes on behind it, and runs it again when it is replayed', async () => {
    await put('s', { n: 1 }, { id: 'poison' });
    await put('s', { n: 2 });
    const attempts: number[] = [];
    const outcomes = await settle((job) => {
      attempts.push(numberOf(job));
      return numberOf(job) === 1 ? Promise.reject(new Error('no good')) : Promise.resolve();
    }, 4);
    expect(attempts).to.deep.equal([1, 1, 1, 2]);
    expect(outcomes).to.deep.equal(['retry', 'retry', 'parked', 'done']);
    expect(await findJob(database, 'poison')).to.include({ state: 'parked', attempts: 3, last_error: 'Error: no good' });

    expect(await database.inTransaction((tx) => replayJob(tx, 'poison', systemClock.now()))).to.equal(true);
    expect(await settle(() => Promise.resolve(), 1)).to.deep.equal(['done']);
    expect(await database.inTransaction((tx) => replayJob(tx, 'poison', systemClock.now()))).to.equal(false);
  });

  it('parks at once what can never work', async () => {
    await put('s', {});
    expect(await settle(() => Promise.reject(new Park('forbidden')), 1)).to.deep.equal(['parked']);
  });

  it('waits without end, and without counting, for what is away or asks for a pause', async () => {
    await put('s', {}, { id: 'patient' });
    let tries = 0;
    const outcomes = await settle(() => {
      tries += 1;
      if (tries <= 4) return Promise.reject(tries % 2 === 0 ? new Unavailable('away') : new RateLimited(1, 'slow down'));
      return Promise.resolve();
    }, 5);
    expect(outcomes).to.deep.equal(['waiting', 'waiting', 'waiting', 'waiting', 'done']);
  });

  it('tries at once again when what was away is back', async () => {
    await put('s', {}, { id: 'waiting' });
    const now = systemClock.now();
    await database.sql('job').where({ id: 'waiting' }).update({ next_at: now + 3_600_000, last_error: 'Unavailable: away' });
    await database.sql('job_stream').update({ ready_at: now + 3_600_000 });
    await hasten(database, ['te'], now);
    expect(await settle(() => Promise.resolve(), 1)).to.deep.equal(['done']);
  });

  it('writes what a handler leaves, and the job as done, together or not at all', async () => {
    await put('s', {}, { id: 'two-writes' });
    let tries = 0;
    const outcomes = await settle(() => {
      tries += 1;
      const attempt = tries;
      return Promise.resolve(async (tx) => {
        await tx.sql('admin_token').insert({ hash: `h${attempt}`, name: 'n', created_at: 1, expires_at: 1 });
        if (attempt === 1) throw new Error('after the first write');
      });
    }, 2);
    expect(outcomes).to.deep.equal(['retry', 'done']);
    expect(await database.sql('admin_token').pluck('hash')).to.deep.equal(['h2']);
  });

  it('tells a handler when an earlier attempt may already have had its effect', async () => {
    await put('s', {}, { id: 'crashed' });
    const now = systemClock.now();
    const lost = await database.inTransaction(async (tx) => {
      const [claim] = await claimStreams(tx, 'dead worker', 1, now, now - 1);
      await beginHead(tx, claim!, now);
      return claim!;
    });
    const unsettled: (number | undefined)[] = [];
    await settle((job) => Promise.resolve(void unsettled.push(job.unsettledSince)), 1);
    expect(unsettled).to.deep.equal([now]);
    expect(await database.inTransaction((tx) => holdStream(tx, lost))).to.equal(false);
  });

  it('gives a stream to one worker at a time, and to another when the lease has run out', async () => {
    await put('s', {});
    const now = systemClock.now();
    const claim = (owner: string, at: number) => database.inTransaction((tx) => claimStreams(tx, owner, 5, at, at + 1000));
    const [first] = await claim('one', now);
    expect(await claim('two', now + 999)).to.deep.equal([]);
    const [second] = await claim('two', now + 1001);
    expect(second!.fence).to.equal(first!.fence + 1);
    expect(await database.inTransaction((tx) => holdStream(tx, first!))).to.equal(false);
    expect(await database.inTransaction((tx) => holdStream(tx, second!))).to.equal(true);
  });

  // SQLite has one writer: nothing is held while something else is done.
  if (databases.dialect === 'postgres') {
    it('extends its leases past a stream that is held, instead of waiting for it with the others locked', async () => {
      await put('held', {});
      await put('free', {});
      const now = systemClock.now();
      const claims = await database.inTransaction((tx) => claimStreams(tx, 'worker', 2, now, now + 1000));
      await database.inTransaction(async (tx) => {
        await holdStream(tx, claims.find(({ stream }) => stream === 'held')!);
        await extendLeases(database, 'worker', now + 5000);
      });
      const leases = await database.sql('job_stream').orderBy('stream').select<object[]>('stream', 'lease_until');
      expect(leases).to.deep.equal([{ stream: 'free', lease_until: now + 5000 }, { stream: 'held', lease_until: now + 1000 }]);
    });
  }

  it('keeps a job until its time', async () => {
    const now = systemClock.now();
    await put('later', {}, { runAt: now + 60_000 });
    expect(await database.inTransaction((tx) => claimStreams(tx, 'w', 5, now + 59_999, now + 60_000))).to.deep.equal([]);
    expect(await database.inTransaction((tx) => claimStreams(tx, 'w', 5, now + 60_000, now + 61_000))).to.have.length(1);
  });

  it('forgets the bodies of jobs that hold what people wrote', async () => {
    await put('s', { n: 1, secret: 'words' }, { id: 'private' });
    await settle(() => Promise.resolve(), 1, { kind: { forgetBody: true } });
    expect(await findJob(database, 'private')).to.include({ state: 'done', body: '{}' });
  });

  it('refuses a worker that wakes up after its stream was purged and made anew', async () => {
    await put('s', {}, { id: 'first' });
    const now = systemClock.now();
    const [sleeper] = await database.inTransaction((tx) => claimStreams(tx, 'sleeper', 1, now, now + 1));
    await database.sql('job_stream').delete();
    await put('s', {}, { id: 'second' });
    await database.inTransaction((tx) => claimStreams(tx, 'other', 1, systemClock.now(), now + 60_000));
    expect(await database.inTransaction((tx) => holdStream(tx, sleeper!))).to.equal(false);
  });

  it('purges what finished long ago, with its stream, and nothing else', async () => {
    await put('old', {}, { id: 'old' });
    await settle(() => Promise.resolve(), 1);
    await put('new', {}, { id: 'new' });
    expect(await database.inTransaction((tx) => purgeFinished(tx, systemClock.now() + 1, 100))).to.equal(1);
    expect(await findJob(database, 'old')).to.equal(undefined);
    expect(await database.sql('job_stream').pluck('stream')).to.deep.equal(['new']);
  });
});
