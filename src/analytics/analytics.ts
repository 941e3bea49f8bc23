import { countActive, dayOf, findRating, keptDays, listDaysOfUse, listInstalledVersions, type Day, type DayOfUse } from '../catalog/index.ts';
import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { MiniAppId } from '../kernel/ids.ts';
import { listTurnover, type Turnover } from '../payments/index.ts';
import { countDeliveries, type DeliveryState } from '../webhooks/index.ts';
import { shownOf, totalOf, type Counted, type Shown, type Total } from './people.ts';
import { readPeriod, startOf, type Period, type PeriodQuery } from './period.ts';

export interface AnalyticsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  /** Fewer people than this are not counted out. */
  readonly fewest: number;
}

/** Money in one currency, exactly: it is the merchant's own, who has each payment with its payer anyway. */
export type Money = Omit<Turnover, 'day'>;
export type Deliveries = Readonly<Record<'delivered' | 'failed' | 'pending', number>>;

export interface Figures {
  readonly installs: Shown;
  readonly uninstalls: Shown;
  /** People who opened the app; over several days, the sum of it. */
  readonly activePeople: Shown;
  readonly sessions: Shown;
  readonly ratings: { readonly count: Shown; readonly average: Shown };
  readonly money: readonly Money[];
  readonly deliveries: Deliveries;
}

export interface Report {
  readonly miniappId: MiniAppId;
  readonly period: Period;
  readonly fewest: number;
  readonly total: Figures;
  readonly days: readonly (Figures & { readonly day: Day })[];
  /** As it is now. */
  readonly now: {
    readonly active7: Shown;
    readonly active30: Shown;
    readonly installed: number;
    readonly versions: readonly { readonly version: string; readonly people: Shown }[];
    readonly rating: { readonly average: number; readonly count: number };
  };
}

/** What the developers of a mini-app are told of its use: numbers, and nobody's name. */
export interface Analytics {
  /** @throws AppError INVALID_REQUEST */
  report(miniappId: MiniAppId, query: PeriodQuery): Promise<Report>;
}

const stateNames: Readonly<Record<DeliveryState, keyof Deliveries>> = { delivered: 'delivered', refused: 'failed', failed: 'failed', pending: 'pending' };
const unused: Omit<DayOfUse, 'day'> = { installations: 0, removals: 0, people: 0, sessions: 0, ratings: 0, stars: 0 };

interface DayOfBooks {
  readonly use: Omit<DayOfUse, 'day'>;
  readonly money: readonly Money[];
  readonly deliveries: Deliveries;
}

const alone = (people: number): Counted => ({ people, amount: 0 });
const mean = (stars: number, count: number): number => (count === 0 ? 0 : Math.round((100 * stars) / count) / 100);

/** Of one day: what counts few people is left out. */
function figuresOf({ use, money, deliveries }: DayOfBooks, fewest: number): Figures {
  const activePeople = shownOf(use.people, fewest);
  const count = shownOf(use.ratings, fewest);
  return {
    installs: shownOf(use.installations, fewest),
    uninstalls: shownOf(use.removals, fewest),
    activePeople,
    sessions: activePeople === null ? null : use.sessions,
    ratings: { count, average: count === null ? null : mean(use.stars, use.ratings) },
    money,
    deliveries,
  };
}

function sumMoney(all: readonly Money[]): Money[] {
  const sums = new Map<string, Money>();
  for (const one of all) {
    const key = `${one.currency} ${one.sandbox}`;
    const so = sums.get(key);
    sums.set(key, so === undefined ? one : { ...one, payments: so.payments + one.payments, paidMinor: so.paidMinor + one.paidMinor, refunds: so.refunds + one.refunds, refundedMinor: so.refundedMinor + one.refundedMinor });
  }
  return [...sums.values()].sort((a, b) => Number(a.sandbox) - Number(b.sandbox) || (a.currency < b.currency ? -1 : 1));
}

const sumDeliveries = (all: readonly Deliveries[]): Deliveries =>
  all.reduce((so, one) => ({ delivered: so.delivered + one.delivered, failed: so.failed + one.failed, pending: so.pending + one.pending }), { delivered: 0, failed: 0, pending: 0 });

/** Of all the days. */
function totalsOf(days: readonly DayOfBooks[], fewest: number): Figures {
  const total = (countedOf: (use: DayOfBooks['use']) => Counted): Total => totalOf(days.map(({ use }) => countedOf(use)), fewest);
  const opened = total(({ people, sessions }) => ({ people, amount: sessions }));
  const rated = total(({ ratings, stars }) => ({ people: ratings, amount: stars }));
  return {
    installs: total(({ installations }) => alone(installations)).people,
    uninstalls: total(({ removals }) => alone(removals)).people,
    activePeople: opened.people,
    sessions: opened.amount,
    ratings: { count: rated.people, average: mean(rated.amount, rated.of) },
    money: sumMoney(days.flatMap(({ money }) => money)),
    deliveries: sumDeliveries(days.map(({ deliveries }) => deliveries)),
  };
}

/** Every day of the period, those on which nothing happened too. */
async function readDays({ database }: AnalyticsDependencies, miniappId: MiniAppId, { from, to }: Period): Promise<{ readonly day: Day; readonly books: DayOfBooks }[]> {
  const uses = new Map((await listDaysOfUse(database, miniappId, from, to)).map((use) => [use.day, use]));
  const money = Map.groupBy(await listTurnover(database, miniappId, startOf(from), startOf(to + 1)), ({ day }) => day);
  const deliveries = Map.groupBy(await countDeliveries(database, miniappId, startOf(from), startOf(to + 1)), ({ day }) => day);
  return Array.from({ length: to - from + 1 }, (_, n) => from + n).map((day) => ({
    day,
    books: {
      use: uses.get(day) ?? unused,
      money: money.get(day) ?? [],
      deliveries: sumDeliveries((deliveries.get(day) ?? []).map(({ state, deliveries: count }) => ({ ...sumDeliveries([]), [stateNames[state]]: count }))),
    },
  }));
}

export function createAnalytics(deps: AnalyticsDependencies): Analytics {
  const { database, clock, fewest } = deps;
  return {
    async report(miniappId, query) {
      const today = dayOf(clock.now());
      const period = readPeriod(query, today, keptDays);
      const days = await readDays(deps, miniappId, period);
      const versions = await listInstalledVersions(database, miniappId);
      return {
        miniappId,
        period,
        fewest,
        total: totalsOf(days.map(({ books }) => books), fewest),
        days: days.map(({ day, books }) => ({ day, ...figuresOf(books, fewest) })),
        now: {
          active7: shownOf(await countActive(database, miniappId, today, 7), fewest),
          active30: shownOf(await countActive(database, miniappId, today, 30), fewest),
          installed: totalOf(versions.map(({ people }) => alone(people)), fewest).people,
          versions: versions.map(({ version, people }) => ({ version, people: shownOf(people, fewest) })),
          rating: await findRating(database, miniappId),
        },
      };
    },
  };
}
