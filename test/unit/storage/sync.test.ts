import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { createLocalWakes } from '../../../src/kernel/wakes.ts';
import { migrate, openDatabase, type Database } from '../../../src/database/index.ts';
import { createJobQueue } from '../../../src/jobs/index.ts';
import { openKeyRing, type KeyRing } from '../../../src/security/key-ring.ts';
import * as original from '../../../src/storage/index.ts';
import { recordingLog } from '../../support/quiet-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { quota } from './sync/model.ts';
import { loadMutant, mutants } from './sync/mutants.ts';
import { deviceCount, keys, World, type Step } from './sync/world.ts';

const histories = 2000;
/** A mistake must show within so many. */
const mutantHistories = 600;
const seed = 20_251_218;

const device = fc.nat({ max: deviceCount - 1 });
/** Few devices meet often, all ten sometimes. */
const someDevice = fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 2 }) }, { weight: 1, arbitrary: device });
const key = fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 1 }) }, { weight: 2, arbitrary: fc.nat({ max: keys.length - 1 }) });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('write' as const), device: someDevice, key, how: fc.constantFrom('clock' as const, 'clock' as const, 'match' as const, 'base' as const, 'plain' as const), size: fc.nat({ max: 50 }), ttl: fc.nat({ max: 5 }).map((n) => n === 0), deletes: fc.nat({ max: 3 }).map((n) => n === 0) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('send' as const), device: someDevice, lost: fc.constantFrom('nothing' as const, 'nothing' as const, 'request' as const, 'answer' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pull' as const), device: someDevice, limit: fc.integer({ min: 1, max: 4 }), lost: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('repeat' as const), device: someDevice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('partition' as const), device: someDevice, cut: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant({ do: 'burst' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 1000, 30_000, 61_000) }) },
);
const skew = fc.constantFrom(0, -1000, -40_000, -3_600_000, 1000, 40_000, 3_600_000, 7_200_000);
const history = fc.record({ skews: fc.array(skew, { minLength: deviceCount, maxLength: deviceCount }), steps: fc.array(step, { minLength: 5, maxLength: 30 }) });

describe('ten devices with wrong clocks, lost answers, replays and partitions', function () {
  let database: Database;
  let keyRing: KeyRing;
  const clock = { time: 1_700_000_000_000, now: () => clock.time };
  let namespaces = 0;
  before(async () => {
    database = openDatabase({ url: 'sqlite::memory:', poolSize: 1, busyTimeoutMs: 1000, lockTimeoutMs: 1000 });
    await migrate(database);
    keyRing = await openKeyRing({ path: join(temporaryDirectory('ring'), 'ring.json'), clock });
  });
  after(() => database.close());

  const propertyOf = ({ createStorage }: typeof original) => {
    const storage = createStorage({
      database,
      clock,
      log: recordingLog(),
      keyRing,
      queue: createJobQueue(clock),
      limits: { maxBytes: quota.maxBytes, maxKeys: quota.maxKeys, maxKeyBytes: 256, maxValueBytes: 1000, maxTtlMs: 86_400_000 },
      pollIntervalMs: 1000,
      tombstoneMs: 90 * 86_400_000,
      requireSession: () => Promise.resolve(),
      tellDevices: () => {},
      wakes: createLocalWakes(),
      cacheBytes: 0,
      waiting: { perSession: 10, total: 10 },
    });
    return fc.asyncProperty(history, async ({ skews, steps }) => {
      namespaces += 1;
      const world = new World(storage, database, clock, `ma_${namespaces}`, skews);
      for (const one of steps) await world.run(one);
      await world.settle();
    });
  };

  it(`agree with each other and with a plain model of the rules, in ${histories} histories`, async function () {
    this.timeout(120_000);
    await fc.assert(propertyOf(original), { numRuns: histories });
  });

  for (const mutant of mutants) {
    it(`do not put up with ${mutant.name}`, async function () {
      this.timeout(60_000);
      const { failed } = await fc.check(propertyOf(await loadMutant(mutant)), { numRuns: mutantHistories, seed, endOnFailure: true });
      expect(failed, 'the mistake was noticed').to.equal(true);
    });
  }
});
