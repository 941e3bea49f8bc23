import type { Database, Queryable, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { MiniApp } from '../miniapps/index.ts';
import { dayOf, ratingMean } from './ranking.ts';
import { addToDay, addToStats, findOwnRating, lockUse, saveOwnRating, seqOf, setRatingMean, type Rating } from './usage-repo.ts';

export interface RatingsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  /** @throws AppError APP_NOT_FOUND */
  readonly getActive: (miniappId: string, db: Queryable) => Promise<MiniApp>;
  readonly isInstalled: (db: Queryable, userId: UserId, app: MiniApp) => Promise<boolean>;
}

export interface RatingTotals {
  readonly ratingCount: number;
  readonly ratingSum: number;
}

/** One rating for each account, of people who use the app. */
export interface Ratings {
  /** @throws AppError APP_NOT_FOUND; INSUFFICIENT_PERMISSIONS unless the user has the app installed and has opened it */
  rate(userId: UserId, miniappId: string, stars: number): Promise<RatingTotals>;
  /** @throws AppError APP_NOT_FOUND, NOT_FOUND where there is no rating to take back */
  withdraw(userId: UserId, miniappId: string): Promise<RatingTotals>;
  /** Stars that the user gave; undefined when none. */
  find(userId: UserId, miniappId: string): Promise<number | undefined>;
}

/** Takes the old rating out of the counters and puts the new one in, each on its own day. */
async function replace(tx: Transaction, seq: number, old: Rating | undefined, next: Rating | undefined): Promise<RatingTotals> {
  const days = [old === undefined ? undefined : { day: old.day, change: { ratings: -1, stars: -old.stars } }, next === undefined ? undefined : { day: next.day, change: { ratings: 1, stars: next.stars } }];
  for (const entry of days) if (entry !== undefined) await addToDay(tx, seq, entry.day, entry.change);
  const totals = await addToStats(tx, seq, { ratings: (next === undefined ? 0 : 1) - (old === undefined ? 0 : 1), stars: (next?.stars ?? 0) - (old?.stars ?? 0) });
  await setRatingMean(tx, seq, ratingMean(totals.ratingSum, totals.ratingCount));
  return totals;
}

export function createRatings({ database, clock, getActive, isInstalled }: RatingsDependencies): Ratings {
  return {
    rate: (userId, miniappId, stars) =>
      database.inTransaction(async (tx) => {
        const app = await getActive(miniappId, tx);
        const seq = await seqOf(tx, app.miniappId);
        const use = await lockUse(tx, seq, userId, false);
        if (use === undefined || use.activeDays === 0 || !(await isInstalled(tx, userId, app))) throw new AppError('INSUFFICIENT_PERMISSIONS', 'Only people who have the mini-app installed and have opened it can rate it');
        const next = { stars, day: dayOf(clock.now()) };
        const totals = await replace(tx, seq, await findOwnRating(tx, seq, userId), next);
        await saveOwnRating(tx, seq, userId, next);
        return totals;
      }),
    withdraw: (userId, miniappId) =>
      database.inTransaction(async (tx) => {
        const app = await getActive(miniappId, tx);
        const seq = await seqOf(tx, app.miniappId);
        await lockUse(tx, seq, userId, false);
        const old = await findOwnRating(tx, seq, userId);
        if (old === undefined) throw new AppError('NOT_FOUND', 'You have not rated this mini-app');
        await saveOwnRating(tx, seq, userId, undefined);
        return replace(tx, seq, old, undefined);
      }),
    find: async (userId, miniappId) => (await findOwnRating(database, await seqOf(database, miniappId), userId))?.stars,
  };
}
