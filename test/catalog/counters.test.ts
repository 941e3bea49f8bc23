import { expect } from 'chai';
import fc from 'fast-check';
import type { Database } from '../../src/database/index.ts';
import { asMiniAppId, asUserId, newId, type MiniAppId } from '../../src/kernel/ids.ts';
import { maxSessionsPerDay, rank, windowDays, type Counters, type Week } from '../../src/catalog/ranking.ts';
import { createRatings } from '../../src/catalog/ratings.ts';
import { readCounters } from '../../src/catalog/score-repo.ts';
import { scoreDue } from '../../src/catalog/scores.ts';
import { createUsage } from '../../src/catalog/usage.ts';
import { seqOf } from '../../src/catalog/usage-repo.ts';
import { findMiniApp } from '../../src/miniapps/repo.ts';
import { onBothDatabases, openTestDatabase } from '../support/databases.ts';
import { insertTestApp } from '../support/miniapps.ts';

const dayMs = 86_400_000;
const firstDay = 20_000;
const policy = { weights: { installs: 30, actives: 25, rating: 20, engagement: 15, recency: 10 }, recencyHalfLifeDays: 60, trendingMinInstalls: 3, trendingMinGrowth: 0.2 };

type Step = { readonly kind: 'open' | 'install' | 'remove' | 'rate' | 'unrate'; readonly user: number; readonly stars: number } | { readonly kind: 'wait'; readonly days: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('open' as const), user: fc.nat(5), stars: fc.constant(0) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('install' as const, 'remove' as const, 'rate' as const, 'unrate' as const), user: fc.nat(5), stars: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), days: fc.integer({ min: 1, max: 12 }) }) },
);

/** Everything that happened, kept as it happened: the counters are what can be counted from it at any time. */
class Diary {
  day = firstDay;
  readonly opened: { readonly user: number; readonly day: number }[] = [];
  readonly installed = new Set<number>();
  readonly qualifiedOn = new Map<number, number>();
  readonly ratings = new Map<number, { readonly stars: number; readonly day: number }>();

  hasOpened(user: number): boolean {
    return this.opened.some((one) => one.user === user);
  }
  /** Returns whether the step is one that the server allows. */
  take(one: Step): boolean {
    if (one.kind === 'wait') this.day += one.days;
    else if (one.kind === 'open') this.opened.push({ user: one.user, day: this.day });
    else if (one.kind === 'install') this.installed.add(one.user);
    else if (one.kind === 'remove') this.installed.delete(one.user);
    else if (one.kind === 'rate') {
      if (!this.installed.has(one.user) || !this.hasOpened(one.user)) return false;
      this.ratings.set(one.user, { stars: one.stars, day: this.day });
    } else return this.ratings.delete(one.user);
    for (const user of this.installed) if (this.hasOpened(user) && !this.qualifiedOn.has(user)) this.qualifiedOn.set(user, this.day);
    return true;
  }
  #between(from: number, to: number): Week {
    const opened = this.opened.filter(({ day }) => day > from && day <= to);
    const userDays = Map.groupBy(opened, ({ user, day }) => `${user} ${day}`);
    const rated = [...this.ratings.values()].filter(({ day }) => day > from && day <= to);
    return {
      installs: [...this.qualifiedOn.values()].filter((day) => day > from && day <= to).length,
      sessions: [...userDays.values()].reduce((sum, { length }) => sum + Math.min(length, maxSessionsPerDay), 0),
      userDays: userDays.size,
      ratings: rated.length,
      stars: rated.reduce((sum, { stars }) => sum + stars, 0),
    };
  }
  count(): Counters {
    const { sessions, userDays } = this.#between(this.day - windowDays, this.day);
    return {
      qualified: [...this.installed].filter((user) => this.hasOpened(user)).length,
      actives: new Set(this.opened.filter(({ day }) => day > this.day - windowDays).map(({ user }) => user)).size,
      ratingCount: this.ratings.size,
      ratingSum: [...this.ratings.values()].reduce((sum, { stars }) => sum + stars, 0),
      sessions,
      userDays,
      thisWeek: this.#between(this.day - 7, this.day),
      lastWeek: this.#between(this.day - 14, this.day - 7),
      releasedDay: undefined,
    };
  }
}

onBothDatabases('counters of the store', (databases) => {
  let database: Database;
  before(async () => {
    database = await openTestDatabase(databases);
  });
  after(() => database.close());

  const world = async () => {
    const miniappId: MiniAppId = asMiniAppId(newId('ma'));
    await insertTestApp(database, miniappId);
    const diary = new Diary();
    const clock = { now: () => diary.day * dayMs + 1 };
    const usage = createUsage({ clock });
    const userId = (user: number) => asUserId(`@user${user}:example.org`);
    const ratings = createRatings({ database, clock, getActive: async (id, db) => (await findMiniApp(db, id))!, isInstalled: (_db, id) => Promise.resolve(diary.installed.has(Number(/\d+/.exec(id)![0]))) });
    const act = async (one: Step): Promise<void> => {
      const wasInstalled = one.kind !== 'wait' && diary.installed.has(one.user);
      const isAllowed = diary.take(one);
      if (one.kind === 'wait') return;
      const user = userId(one.user);
      if (one.kind === 'open') await database.inTransaction((tx) => usage.opened(tx, miniappId, user, () => Promise.resolve(diary.installed.has(one.user))));
      else if (one.kind === 'install' && !wasInstalled) await database.inTransaction((tx) => usage.installed(tx, miniappId, user));
      else if (one.kind === 'remove' && wasInstalled) await database.inTransaction((tx) => usage.removed(tx, miniappId, user));
      else if (one.kind === 'rate' || one.kind === 'unrate') {
        const done = await (one.kind === 'rate' ? ratings.rate(user, miniappId, one.stars) : ratings.withdraw(user, miniappId)).then(() => true, () => false);
        expect(done, one.kind).to.equal(isAllowed);
      }
    };
    return { miniappId, diary, clock, usage, userId, act };
  };

  it('are, and the scores with them, what a count of everything that happened gives', async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const { miniappId, diary, clock, act } = await world();
        const seq = await seqOf(database, miniappId);
        for (const [n, one] of steps.entries()) {
          await act(one);
          // Scores are computed in between too: only what has changed since is computed again.
          if (n % 7 === 0) await database.inTransaction((tx) => scoreDue(tx, { clock, policy }, 10_000));
        }
        const expected = diary.count();
        expect((await readCounters(database, [seq], diary.day)).get(seq)).to.deep.equal(expected);
        await database.inTransaction((tx) => scoreDue(tx, { clock, policy }, 10_000));
        const kept = await database.sql('catalog_entry').where({ seq }).first<{ score: number; trend: number }>('score', 'trend');
        const { score, trend } = rank(expected, policy, diary.day);
        expect(kept).to.deep.equal({ score, trend });
      }),
      { numRuns: databases.dialect === 'sqlite' ? 25 : 8 },
    );
  });

  it('lose nothing when people come at the same moment', async () => {
    const { miniappId, diary, usage, userId } = await world();
    const seq = await seqOf(database, miniappId);
    for (const user of [0, 1, 2]) diary.installed.add(user);
    const visits = Array.from({ length: 24 }, (_, n) => ({ user: n % 4, installs: n < 3 }));
    await Promise.all(
      visits.map(({ user, installs }) =>
        database.inTransaction(async (tx) => {
          if (installs) await usage.installed(tx, miniappId, userId(user));
          await usage.opened(tx, miniappId, userId(user), () => Promise.resolve(diary.installed.has(user)));
        }),
      ),
    );
    for (const { user } of visits) diary.take({ kind: 'open', user, stars: 0 });
    expect((await readCounters(database, [seq], diary.day)).get(seq)).to.deep.equal(diary.count());
  });

  it('have a score computed again once they have changed', async () => {
    const { miniappId, diary, clock, act } = await world();
    const seq = await seqOf(database, miniappId);
    const due = async (): Promise<number> => (await database.sql('catalog_stats').where({ seq }).first<{ score_due: number }>('score_due')).score_due;
    await database.inTransaction((tx) => scoreDue(tx, { clock, policy }, 10_000));
    expect(await due()).to.equal(diary.day + 1);
    await act({ kind: 'open', user: 1, stars: 0 });
    expect(await due()).to.equal(0);
  });
});
