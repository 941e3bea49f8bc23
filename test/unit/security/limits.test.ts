import { expect } from 'chai';
import fc from 'fast-check';
import { connectRedis } from '../../../src/security/limits/index.ts';
import { limitHeaders, readPolicy, windowText, type Algorithm, type Policy, type Verdict } from '../../../src/security/limits/policy.ts';
import { createRedisStore } from '../../../src/security/limits/redis-store.ts';
import { createMemoryStore, type LimitStore } from '../../../src/security/limits/store.ts';
import { requireOrSkip } from '../../support/availability.ts';
import { redisAvailable, startRedis, type Redis } from '../../support/redis.ts';

/** Stands still until it is moved. */
function stillClock() {
  let time = 1_700_000_000_000;
  return { now: () => time, advance: (ms: number) => void (time += ms) };
}

const both = ['token_bucket', 'sliding_window'] as const;
const policy = (text: string, algorithm: Algorithm = 'token_bucket'): Policy => readPolicy(text, algorithm);
const taking = async (store: LimitStore, one: Policy, count: number, key = 'k'): Promise<Verdict[]> => {
  const verdicts: Verdict[] = [];
  for (let i = 0; i < count; i += 1) verdicts.push(await store.take('test', one, key));
  return verdicts;
};
const allowed = (verdicts: readonly Verdict[]): number => verdicts.filter((one) => one.allowed).length;

describe('limits on requests', () => {
  for (const algorithm of both) {
    it(`${algorithm}: lets in the limit and the burst, says what is left, and refuses the next`, async () => {
      const verdicts = await taking(createMemoryStore(stillClock()), policy('3/1m+2', algorithm), 6);
      expect(verdicts.map((one) => [one.allowed, one.remaining, one.burstRemaining])).to.deep.equal([
        [true, 2, 2],
        [true, 1, 2],
        [true, 0, 2],
        [true, 0, 1],
        [true, 0, 0],
        [false, 0, 0],
      ]);
    });

    it(`${algorithm}: lets in again exactly when it said that it would`, async () => {
      const clock = stillClock();
      const store = createMemoryStore(clock);
      const refused = (await taking(store, policy('7/1m+3', algorithm), 11)).at(-1)!;
      clock.advance(refused.resetMs - 1);
      expect((await store.take('test', policy('7/1m+3', algorithm), 'k')).allowed).to.equal(false);
      clock.advance(1);
      expect((await store.take('test', policy('7/1m+3', algorithm), 'k')).allowed).to.equal(true);
    });

    it(`${algorithm}: counts keys and names apart, and only looks when it is only to look`, async () => {
      const store = createMemoryStore(stillClock());
      const one = policy('1/1m', algorithm);
      for (let i = 0; i < 3; i += 1) expect((await store.take('test', one, 'a', true)).allowed).to.equal(true);
      expect(allowed(await taking(store, one, 2, 'a'))).to.equal(1);
      expect(allowed(await taking(store, one, 2, 'b'))).to.equal(1);
      expect((await store.take('other', one, 'a')).allowed).to.equal(true);
    });
  }

  it('token_bucket: refills at limit over window, never beyond limit and burst, and takes nothing for a clock that goes back', async () => {
    const clock = stillClock();
    const store = createMemoryStore(clock);
    const one = policy('60/1m+5');
    await taking(store, one, 65);
    clock.advance(10_000);
    expect(allowed(await taking(store, one, 20))).to.equal(10);
    clock.advance(-60_000);
    expect((await store.take('test', one, 'k')).allowed).to.equal(false);
    clock.advance(3_660_000);
    expect(allowed(await taking(store, one, 100))).to.equal(65);
  });

  it('sliding_window: lets in no more than the limit in any window', async () => {
    const clock = stillClock();
    const store = createMemoryStore(clock);
    const one = policy('4/1m', 'sliding_window');
    expect(allowed(await taking(store, one, 2))).to.equal(2);
    clock.advance(59_000);
    expect(allowed(await taking(store, one, 4))).to.equal(2);
    clock.advance(1000);
    expect(allowed(await taking(store, one, 4))).to.equal(2);
    clock.advance(58_999);
    expect(allowed(await taking(store, one, 4))).to.equal(0);
  });

  it('stay small with a hundred thousand keys, and forget those that nobody needs', async function () {
    this.timeout(30_000);
    const clock = stillClock();
    const store = createMemoryStore(clock);
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 150_000; i += 1) await store.take('test', policy('100/1m+20'), `user @somebody-${i}:example.org ma_application`);
    expect(store.size()).to.equal(100_000);
    expect((process.memoryUsage().heapUsed - before) / 2 ** 20).to.be.lessThan(80);
    clock.advance(3_600_000);
    await store.take('test', policy('100/1m+20'), 'somebody else');
    expect(store.size()).to.equal(1);
  });

  it('keep whom they have seen last when there are too many', async () => {
    const store = createMemoryStore(stillClock(), 10);
    const one = policy('1/1m');
    await store.take('test', one, 'busy');
    for (let i = 0; i < 9; i += 1) await store.take('test', one, `other ${i}`);
    expect((await store.take('test', one, 'busy')).allowed).to.equal(false);
    for (let i = 9; i < 12; i += 1) await store.take('test', one, `other ${i}`);
    expect(store.size()).to.equal(10);
    expect((await store.take('test', one, 'other 11')).allowed).to.equal(false);
  });

  it('are spelt in the configuration as limit, window and burst', () => {
    expect(policy('20/1m+5')).to.deep.include({ limit: 20, windowMs: 60_000, burst: 5 });
    expect(policy('5/1d')).to.deep.include({ limit: 5, windowMs: 86_400_000, burst: 0 });
    for (const wrong of ['', '20', '0/1m', '5/0m', '5/1w', '5/1m+', '-5/1m', '5/1m+1 ']) expect(() => policy(wrong), wrong).to.throw(TypeError);
    expect(['1m', '1h', '5m', '1d', '90s', '1s'].map((window) => windowText(policy(`1/${window}`).windowMs))).to.deep.equal(['1 minute', '1 hour', '5 minutes', '1 day', '90 seconds', '1 second']);
  });

  it('are told in the headers of section 11.4.4', async () => {
    const clock = stillClock();
    const verdicts = await taking(createMemoryStore(clock), policy('2/1m'), 3);
    const now = clock.now() / 1000;
    expect(limitHeaders(verdicts[0]!, clock.now())).to.deep.equal({ 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '1', 'x-ratelimit-reset': String(now + 30), 'x-ratelimit-reset-after': '30', 'x-ratelimit-burst': '0', 'x-ratelimit-burst-remaining': '0' });
    expect(limitHeaders(verdicts[2]!, clock.now())).to.deep.include({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(now + 30), 'retry-after': '30' });
  });
});

describe('limits on requests in Redis', () => {
  let redis: Redis;
  before(async function () {
    this.timeout(30_000);
    requireOrSkip(this, redisAvailable());
    redis = await startRedis();
  });
  after(() => redis.kill());

  const step = fc.record({ wait: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40_000 })), key: fc.constantFrom('a', 'b'), peek: fc.boolean() });

  for (const algorithm of both) {
    it(`${algorithm}: count as in memory, whatever comes when`, async function () {
      this.timeout(30_000);
      const connection = await connectRedis(redis.url);
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 3 }), async (steps, limit, burst) => {
          const clock = stillClock();
          const one = policy(`${limit}/1m+${burst}`, algorithm);
          const stores = [createMemoryStore(clock), createRedisStore(connection, clock, `test:${algorithm}:${(run += 1)}`)];
          for (const { wait, key, peek } of steps) {
            clock.advance(wait);
            const [here, there] = await Promise.all(stores.map((store) => store.take('test', one, key, peek)));
            expect(there).to.deep.equal(here);
          }
        }),
        { numRuns: 40 },
      );
      await connection.close();
    });

    it(`${algorithm}: let in exactly as many as may, when many machines ask at once, and expire`, async () => {
      const connections = await Promise.all([1, 2, 3].map(() => connectRedis(redis.url)));
      const clock = stillClock();
      const one = policy('20/1m+5', algorithm);
      const stores = connections.map((connection) => createRedisStore(connection, clock, `many:${algorithm}`));
      const verdicts = await Promise.all(Array.from({ length: 90 }, (_, i) => stores[i % 3]!.take('test', one, 'k')));
      expect(allowed(verdicts)).to.equal(25);
      const [name] = (await connections[0]!.run(`return redis.call('KEYS', ARGV[1])`, [], [`many:${algorithm}:*`])) as string[];
      const ttl = (await connections[0]!.run(`return redis.call('PTTL', KEYS[1])`, [name!], [])) as number;
      expect(ttl).to.be.within(1, 90_000);
      expect(name).not.to.match(/:k$/);
      for (const connection of connections) await connection.close();
    });
  }

  it('do not take Redis for silent because this process stood still meanwhile', async () => {
    const connection = await connectRedis(redis.url);
    const answer = connection.ping();
    for (const until = performance.now() + 600; performance.now() < until;);
    await answer;
    await connection.close();
  });
});
