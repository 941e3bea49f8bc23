import { expect } from 'chai';
import type { Database } from '../../src/database/index.ts';
import { createJobQueue, listJobs, Worker, type JobKind } from '../../src/jobs/index.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { jobKind } from '../../src/matrix/events.ts';
import { createInbox, type Inbox } from '../../src/matrix/inbox.ts';
import { ownNames } from '../../src/matrix/identity.ts';
import { onBothDatabases, openTestDatabase } from '../support/databases.ts';
import { recordingLog } from '../support/quiet-log.ts';

const options = { maxAttempts: 2, pollIntervalMs: 20, leaseMs: 5000, concurrency: 4, backoffBaseMs: 1, backoffCapMs: 5 };
const filler = 'x'.repeat(5000);
const launch = (id: string): object => ({ type: 'm.tween.miniapp.launch', event_id: `$${id}`, room_id: '!room:example.org', sender: '@alice:example.org', content: { id } });
const transaction = (...ids: string[]): Buffer => Buffer.from(JSON.stringify({ events: ids.map(launch), filler }));

onBothDatabases('the inbox', (databases) => {
  const queue = createJobQueue(systemClock);
  let database: Database;
  let inbox: Inbox;

  beforeEach(async () => {
    database = await openTestDatabase(databases);
    inbox = createInbox({ database, queue, names: ownNames('example.org', '_tmcp', '_tmcp_store'), types: new Set(['m.tween.miniapp.launch']), onMembership: () => {} });
  });
  afterEach(() => database.close());

  const received = () => listJobs(database, 'queued', 100).then((jobs) => jobs.filter(({ kind }) => kind === jobKind.received));

  /** Runs the worker until `count` jobs have been settled for good; returns the ids of the events that were handled, in order. */
  async function work(count: number): Promise<string[]> {
    const handled: string[] = [];
    const inbound: JobKind = {
      run: (job) => {
        handled.push((job.body as { event: { content: { id: string } } }).event.content.id);
        return Promise.resolve(() => Promise.resolve());
      },
    };
    let left = count;
    const { promise, resolve } = Promise.withResolvers<void>();
    const worker = new Worker({
      database,
      clock: systemClock,
      log: recordingLog(),
      kinds: { [jobKind.received]: inbox.takeApart, [jobKind.inbound]: inbound },
      options,
      onSettled: (_kind, outcome) => {
        if (outcome !== 'retry' && (left -= 1) === 0) resolve();
      },
    });
    worker.start();
    await promise;
    await worker.stop();
    return handled;
  }

  it('commits transactions that come together as one job, and keeps their order', async () => {
    await Promise.all([inbox.accept(transaction('a', 'b')), inbox.accept(transaction('c')), inbox.accept(transaction('ü'))]);
    expect(await received()).to.have.length(1);
    expect(await work(5)).to.deep.equal(['a', 'b', 'c', 'ü']);
  });

  it('starts another job where one would become too large', async () => {
    const large = (id: string): Buffer => Buffer.from(JSON.stringify({ events: [launch(id)], filler: 'y'.repeat(700_000) }));
    await Promise.all([inbox.accept(large('a')), inbox.accept(large('b'))]);
    expect(await received()).to.have.length(2);
    expect(await work(4)).to.deep.equal(['a', 'b']);
  });

  it('parks a body that is no JSON by itself: the others of its group are handled', async () => {
    const broken = Buffer.from(`{"events":[{"type":"m.tween.miniapp.launch" ${filler}]}`);
    await Promise.all([inbox.accept(transaction('before')), inbox.accept(broken), inbox.accept(transaction('behind'))]);
    expect(await received()).to.have.length(1);
    expect(await work(4)).to.deep.equal(['before', 'behind']);
    const parked = await listJobs(database, 'parked', 100);
    expect(parked.map(({ stream }) => stream)).to.deep.equal(['inbox:unreadable']);
  });
});
