import { expect } from 'chai';
import { createWakes, openDatabase, type Database, type SharedWakes } from '../../src/database/index.ts';
import { createLiveCache } from '../../src/kernel/live-cache.ts';
import type { WakeTopic } from '../../src/kernel/wakes.ts';
import { requireOrSkip } from '../support/availability.ts';
import { eventually } from '../support/eventually.ts';
import { postgresAvailable, sharedPostgres } from '../support/postgres.ts';
import { recordingLog, TestClock } from '../http/oauth/support.ts';

/** One instance, and all that it was told. */
interface Instance {
  readonly wakes: SharedWakes;
  readonly heard: (readonly [WakeTopic, readonly string[] | undefined])[];
}

describe('hints between instances over PostgreSQL', () => {
  let database: Database;
  const clock = new TestClock();
  const instances: Instance[] = [];
  before(async function () {
    this.timeout(60_000);
    requireOrSkip(this, await postgresAvailable());
    database = openDatabase({ url: await (await sharedPostgres()).createDatabase(), poolSize: 3, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
  });
  afterEach(async () => {
    for (const { wakes } of instances.splice(0)) await wakes.stop();
  });
  after(() => database?.close());

  const ready = (instance: Instance): Promise<unknown> => eventually(() => expect(instance.heard).to.deep.include(['jobs', undefined]), { description: 'an instance listens' });
  /** It has listened, and what it heard at the beginning is left out. */
  const start = async (): Promise<Instance> => {
    const instance: Instance = { wakes: createWakes(database, clock, recordingLog()), heard: [] };
    for (const topic of ['notices', 'sessions', 'jobs'] as const) instance.wakes.on(topic, (keys) => void instance.heard.push([topic, keys]));
    instances.push(instance);
    instance.wakes.start();
    await ready(instance);
    instance.heard.length = 0;
    return instance;
  };
  /** All keys of a topic that it was told, when there are as many. */
  const keysOf = (instance: Instance, topic: WakeTopic, count: number): Promise<string[]> =>
    eventually(
      () => {
        const keys = instance.heard.flatMap(([one, some]) => (one === topic ? [...(some ?? ['anything'])] : []));
        expect(keys).to.have.length(count);
        return keys;
      },
      { description: `${count} keys of ${topic}` },
    );

  it('reach the other instances, and the own listeners at once and once', async () => {
    const [a, b, c] = [await start(), await start(), await start()];
    a.wakes.tell('notices', ['@alice:example.org', '@bob:example.org']);
    expect(a.heard).to.deep.equal([['notices', ['@alice:example.org', '@bob:example.org']]]);
    a.wakes.tell('jobs');
    for (const other of [b, c]) {
      expect(await keysOf(other, 'notices', 2)).to.deep.equal(['@alice:example.org', '@bob:example.org']);
      await keysOf(other, 'jobs', 1);
    }
    b.wakes.tell('sessions', ['s1']);
    expect(await keysOf(a, 'sessions', 1)).to.deep.equal(['s1']);
    expect(a.heard.filter(([topic]) => topic !== 'sessions'), 'an instance heard itself').to.have.length(2);
  });

  it('may be many and long: they are divided, or "anything" is said', async () => {
    const [a, b] = [await start(), await start()];
    const keys = Array.from({ length: 400 }, (_, n) => `${n} ${'ü'.repeat(100)}`);
    for (const key of keys) a.wakes.tell('notices', [key]);
    expect((await keysOf(b, 'notices', 400)).sort()).to.deep.equal([...keys].sort());
    a.wakes.tell('sessions', Array.from({ length: 6000 }, (_, n) => String(n)));
    expect(await keysOf(b, 'sessions', 1)).to.deep.equal(['anything']);
  });

  it('begin again after the connection was lost, and say that some may be missing', async () => {
    const [a, b] = [await start(), await start()];
    await database.sql.raw(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tmcp-server wakes' AND datname = current_database()`);
    for (const instance of [a, b]) await ready(instance);
    for (const instance of [a, b]) instance.heard.length = 0;
    a.wakes.tell('sessions', ['s2']);
    expect(await keysOf(b, 'sessions', 1)).to.deep.equal(['s2']);
    expect(b.wakes.health()?.healthy).to.equal(true);
  });

  it('that are none of ours are not listened to', async () => {
    const [a, b] = [await start(), await start()];
    for (const payload of ['', 'x', 'null', '{"from":"x","topic":"other"}', '{"from":"x","topic":"jobs","keys":[1]}']) await database.sql.raw(`SELECT pg_notify('tmcp_wakes', ?)`, [payload]);
    a.wakes.tell('sessions', ['s3']);
    await keysOf(b, 'sessions', 1);
    expect(b.heard).to.deep.equal([['sessions', ['s3']]]);
  });

  it('make another instance forget what it has cached, before its time is over', async () => {
    const [a, b] = [await start(), await start()];
    const still = { now: () => 1_000_000 };
    let value = 'old';
    const cacheOf = ({ wakes }: Instance) => createLiveCache(still, () => Promise.resolve(value), { shared: { wakes, topic: 'sessions' } });
    const [here, there] = [cacheOf(a), cacheOf(b)];
    expect([await here.find('s'), await there.find('s')]).to.deep.equal(['old', 'old']);
    value = 'new';
    expect(await there.find('s')).to.equal('old');
    here.forget(['s']);
    expect(await here.find('s')).to.equal('new');
    await keysOf(b, 'sessions', 1);
    expect(await there.find('s')).to.equal('new');
  });
});
