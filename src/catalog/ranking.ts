/** Days since 1970 in UTC: what counters and scores are kept by. */
export type Day = number;

const dayMs = 24 * 60 * 60_000;
export const dayOf = (timeMs: number): Day => Math.floor(timeMs / dayMs);

/** Days over which use is looked at (specification section 16.6.3). */
export const windowDays = 30;
/** Sessions of one person on one day that count at most: an app that starts itself again and again gains nothing by it. */
export const maxSessionsPerDay = 20;

/** What a score is made of; all of it can be counted again from who installed, opened and rated what. */
export interface Counters {
  /** Present installations of people who also opened the app: what a farm of accounts only installs does not count. */
  readonly qualified: number;
  /** People who opened the app in the last 30 days. */
  readonly actives: number;
  readonly ratingCount: number;
  readonly ratingSum: number;
  /** In the last 30 days; a user-day is one person on one day. */
  readonly sessions: number;
  readonly userDays: number;
  /** Two weeks: this one, which ends today, and the one before. */
  readonly thisWeek: Week;
  readonly lastWeek: Week;
  /** When the version that is offered was released; undefined before. */
  readonly releasedDay: Day | undefined;
}

export interface Week {
  /** People whose installation became a qualified one. */
  readonly installs: number;
  readonly sessions: number;
  readonly userDays: number;
  readonly ratings: number;
  readonly stars: number;
}

export interface RankingPolicy {
  readonly weights: Readonly<Record<Factor, number>>;
  readonly recencyHalfLifeDays: number;
  readonly trendingMinInstalls: number;
  readonly trendingMinGrowth: number;
}

export type Factor = 'installs' | 'actives' | 'rating' | 'engagement' | 'recency';
export const factorNames: readonly Factor[] = ['installs', 'actives', 'rating', 'engagement', 'recency'];

/** So many people are the whole of a log-scaled factor. */
const fullScale = 1_000_000;
/** An app counts as if it had so many ratings of so many stars besides its own. */
const prior = { ratings: 10, stars: 3.5 };
/** Sessions per user-day at which engagement is half of all there is, and the user-days without any that every app begins with. */
const halfEngagement = 3;
const engagementPrior = 20;
/** Decision D17: the growth must be this many standard deviations away from chance. */
const minDeviation = 2;
const starSteps = 4;

const logScaled = (count: number): number => Math.min(1, Math.log1p(Math.max(0, count)) / Math.log1p(fullScale));
const mean = (sum: number, count: number): number => (prior.ratings * prior.stars + sum) / (prior.ratings + count);

/** Bayesian mean of the ratings, in millionths of a star: few ratings say little. */
export const ratingMean = (sum: number, count: number): number => Math.round(mean(sum, count) * 1e6);

/** Each in [0, 1] (decision D17). Depends on nothing but the counters and the day. */
export function factorsOf(counters: Counters, policy: Pick<RankingPolicy, 'recencyHalfLifeDays'>, today: Day): Record<Factor, number> {
  const { qualified, actives, ratingSum, ratingCount, sessions, userDays, releasedDay } = counters;
  return {
    installs: logScaled(qualified),
    actives: logScaled(actives),
    rating: (mean(ratingSum, ratingCount) - 1) / starSteps,
    engagement: sessions / (sessions + halfEngagement * (userDays + engagementPrior)),
    recency: releasedDay === undefined ? 0 : 0.5 ** (Math.max(0, today - releasedDay) / policy.recencyHalfLifeDays),
  };
}

const meanOf = (sum: number, count: number): number => (count === 0 ? 0 : sum / count);

/** How much more people rate and use the app than they did; never negative. */
function rises({ ratingSum, ratingCount, thisWeek, lastWeek }: Counters): { rating: number; engagement: number } {
  const before = mean(ratingSum - thisWeek.stars, ratingCount - thisWeek.ratings);
  const [now, then] = [meanOf(thisWeek.sessions, thisWeek.userDays), meanOf(lastWeek.sessions, lastWeek.userDays)];
  return { rating: Math.max(0, mean(ratingSum, ratingCount) - before), engagement: then === 0 ? 0 : Math.min(1, Math.max(0, now / then - 1)) };
}

/** 0 unless the app is trending: enough installs this week, well above the last, and more than chance; rises of rating and engagement add. */
export function trendOf(counters: Counters, policy: RankingPolicy): number {
  const [now, then] = [counters.thisWeek.installs, counters.lastWeek.installs];
  if (now < policy.trendingMinInstalls || now <= then * (1 + policy.trendingMinGrowth)) return 0;
  const deviation = (now - then) / Math.sqrt(now + then);
  if (deviation < minDeviation) return 0;
  const { rating, engagement } = rises(counters);
  return deviation + rating + engagement;
}

export interface Ranking {
  readonly factors: Record<Factor, number>;
  /** In millionths of a point. */
  readonly score: number;
  readonly trend: number;
}

export function rank(counters: Counters, policy: RankingPolicy, today: Day): Ranking {
  const factors = factorsOf(counters, policy, today);
  const points = factorNames.reduce((sum, name) => sum + policy.weights[name] * factors[name], 0);
  return { factors, score: Math.round(points * 1e6), trend: Math.round(trendOf(counters, policy) * 1e6) };
}
