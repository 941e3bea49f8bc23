import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import { isText } from '../kernel/text.ts';
import type { MiniApp, MiniApps } from '../miniapps/index.ts';
import { browse, findRating, listCategories, listTrending, type ListedApp, type Page, type Position, type Sort } from './listing-repo.ts';
import { dayOf, rank, type Counters, type Day, type Ranking, type RankingPolicy } from './ranking.ts';
import { readCounters } from './score-repo.ts';
import { seqOf } from './usage-repo.ts';
import { requireVisible } from './visibility.ts';

export interface StoreQuery {
  readonly category: string;
  readonly classification?: string;
  readonly search?: string;
  readonly shelf?: 'new';
  readonly sort?: Sort;
  readonly limit: number;
  readonly offset: number;
  readonly cursor?: string;
}

export interface StoreDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly miniapps: MiniApps;
  readonly policy: RankingPolicy;
  /** How long an app is new after it was first published. */
  readonly newMs: number;
}

export interface Explanation extends Ranking {
  readonly app: MiniApp;
  readonly counters: Counters;
  readonly today: Day;
}

/** What there is to find. */
export interface Store {
  /** @throws AppError INVALID_REQUEST for a cursor of another query */
  browse(query: StoreQuery): Promise<Page & { readonly nextCursor: string | undefined }>;
  /** @throws AppError APP_NOT_FOUND; owners see theirs before it is approved */
  get(userId: UserId | undefined, miniappId: string): Promise<Pick<ListedApp, 'app' | 'rating'>>;
  trending(limit: number): Promise<ListedApp[]>;
  categories(): Promise<{ id: string; name: string; apps: number }[]>;
  /** Why an app stands where it stands, from the counters as they are now. @throws AppError APP_NOT_FOUND */
  explain(userId: UserId | undefined, miniappId: string): Promise<Explanation>;
}

/** Categories that are there from the start, in the order in which they are shown; an app's own is added to them. */
const categoryNames: Readonly<Record<string, string>> = {
  shopping: 'Shopping',
  finance: 'Finance',
  food: 'Food and drink',
  travel: 'Travel',
  transport: 'Transport',
  games: 'Games',
  entertainment: 'Entertainment',
  social: 'Social',
  productivity: 'Productivity',
  education: 'Education',
  health: 'Health',
  news: 'News',
  utilities: 'Utilities',
  other: 'Other',
};

const nameOfCategory = (id: string): string => categoryNames[id] ?? `${id.slice(0, 1).toUpperCase()}${id.slice(1).replace(/[_-]+/g, ' ')}`;

const maxWords = 8;

/** Letters and digits without their marks: what the index has. Nothing of it is an operator of a query language. */
const wordsOf = (text: string): string[] => text.normalize('NFKD').replace(/[\u0300-\u036f]/g, '').normalize('NFC').toLowerCase().match(/[\p{L}\p{N}]+/gu)?.slice(0, maxWords) ?? [];

const writeCursor = (sort: Sort, { key, seq }: Position): string => Buffer.from(JSON.stringify([sort, key, seq])).toString('base64url');

/** What the database's `integer` holds. */
const maxSeq = 2 ** 31 - 1;

function readCursor(text: string, sort: Sort): Position {
  try {
    const [of, key, seq] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown[];
    const isKey = sort === 'name' ? typeof key === 'string' && isText(key) : Number.isSafeInteger(key);
    if (of === sort && isKey && Number.isInteger(seq) && Math.abs(seq as number) <= maxSeq) return { key: key as number | string, seq: seq as number };
  } catch {
    // Said below.
  }
  throw invalidField('cursor', 'is none of this query');
}

export function createStore({ database, clock, miniapps, policy, newMs }: StoreDependencies): Store {
  return {
    async browse({ category, classification, search, shelf, sort = shelf === 'new' ? 'recent' : 'popular', limit, offset, cursor }) {
      const page = await browse(database, {
        category,
        ...(classification === undefined ? {} : { classification }),
        ...(search === undefined ? {} : { words: wordsOf(search) }),
        ...(shelf === 'new' ? { publishedAfter: clock.now() - newMs } : {}),
        ...(cursor === undefined ? {} : { after: readCursor(cursor, sort) }),
        sort,
        limit,
        offset,
      });
      const last = page.apps.at(-1);
      return { ...page, nextCursor: page.hasMore && last !== undefined ? writeCursor(sort, last.position) : undefined };
    },
    async get(userId, miniappId) {
      const { app } = await requireVisible(miniapps, userId, miniappId);
      return { app, rating: await findRating(database, app.miniappId) };
    },
    trending: (limit) => listTrending(database, limit),
    async categories() {
      const apps = new Map((await listCategories(database)).map((category) => [category.id, category.apps]));
      const ids = new Set([...Object.keys(categoryNames), ...apps.keys()]);
      return [...ids].map((id) => ({ id, name: nameOfCategory(id), apps: apps.get(id) ?? 0 }));
    },
    async explain(userId, miniappId) {
      const { app } = await requireVisible(miniapps, userId, miniappId);
      const today = dayOf(clock.now());
      const seq = await seqOf(database, app.miniappId);
      const counters = (await readCounters(database, [seq], today)).get(seq)!;
      return { app, counters, today, ...rank(counters, policy, today) };
    },
  };
}
