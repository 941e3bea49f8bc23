import { runSql, type Queryable } from '../database/index.ts';
import { miniappFromRow, type MiniApp, type MiniAppRow } from '../miniapps/index.ts';

export type Sort = 'popular' | 'recent' | 'rating' | 'name';

export interface BrowseFilter {
  readonly category: string;
  readonly classification?: string;
  /** Words, all of which must occur; the last may be the beginning of one. */
  readonly words?: readonly string[];
  /** Only apps that were first published after this time. */
  readonly publishedAfter?: number;
  readonly sort: Sort;
  readonly limit: number;
  readonly offset: number;
  /** Where the page before ended: it is gone on from there, whatever was put in before it meanwhile. */
  readonly after?: Position;
}

/** A place in an order. */
export interface Position {
  readonly key: number | string;
  readonly seq: number;
}

export interface ListedApp {
  readonly app: MiniApp;
  readonly position: Position;
  readonly rating: { readonly average: number; readonly count: number };
}

export interface Page {
  readonly apps: ListedApp[];
  readonly total: number;
  readonly hasMore: boolean;
}

interface Order {
  readonly column: 'score' | 'published_at' | 'rating_mean' | 'name_key';
  readonly descending: boolean;
}

const orders: Readonly<Record<Sort, Order>> = {
  popular: { column: 'score', descending: true },
  recent: { column: 'published_at', descending: true },
  rating: { column: 'rating_mean', descending: true },
  name: { column: 'name_key', descending: false },
};

/** Of more matches than this only the best ranked are looked at: a word that is everywhere must not hold up everybody. */
const maxMatches = 2000;

type Binding = string | number;
interface Condition {
  readonly sql: string;
  readonly bindings: readonly Binding[];
}

function shelfConditions({ category, classification, publishedAfter }: BrowseFilter): Condition[] {
  return [
    { sql: 'e.listed = 1', bindings: [] },
    ...(category === 'all' ? [] : [{ sql: 'e.category = ?', bindings: [category] }]),
    // Beta apps only when they are asked for (specification section 16.2: opt-in).
    classification === undefined ? { sql: `e.classification <> 'beta'`, bindings: [] } : { sql: 'e.classification = ?', bindings: [classification] },
    ...(publishedAfter === undefined ? [] : [{ sql: 'e.published_at > ?', bindings: [publishedAfter] }]),
  ];
}

function afterCondition({ column, descending }: Order, after: Position | undefined): Condition[] {
  if (after === undefined) return [];
  const beyond = descending ? '<' : '>';
  // The first half lets an index be entered at the place.
  return [{ sql: `e.${column} ${beyond}= ? AND (e.${column} ${beyond} ? OR e.seq > ?)`, bindings: [after.key, after.key, after.seq] }];
}

const all = (conditions: readonly Condition[]): Condition => ({ sql: conditions.map(({ sql }) => sql).join(' AND '), bindings: conditions.flatMap(({ bindings }) => bindings) });

/** Each word is quoted: what people type is never an operator. */
const ftsQuery = (words: readonly string[]): string => words.map((word, at) => `"${word}"${at === words.length - 1 ? '*' : ''}`).join(' AND ');
const tsQuery = (words: readonly string[]): string => words.map((word, at) => `'${word}'${at === words.length - 1 ? ':*' : ''}`).join(' & ');

function matchSource(db: Queryable, words: readonly string[]): Condition {
  return db.dialect === 'sqlite'
    ? { sql: `(SELECT rowid % 2147483648 AS seq FROM catalog_search WHERE catalog_search MATCH ? ORDER BY rowid LIMIT ${maxMatches}) f JOIN catalog_entry e ON e.seq = f.seq`, bindings: [ftsQuery(words)] }
    : { sql: `(SELECT * FROM catalog_entry WHERE listed = 1 AND search @@ to_tsquery('pg_catalog.simple', ?) ORDER BY score DESC LIMIT ${maxMatches}) e`, bindings: [tsQuery(words)] };
}

interface Placed {
  seq: number;
  key: number | string;
}

const orderBy = ({ column, descending }: Order): string => `ORDER BY e.${column} ${descending ? 'DESC' : 'ASC'}, e.seq`;

async function placesOnShelves(db: Queryable, filter: BrowseFilter, order: Order): Promise<Placed[]> {
  const where = all([...shelfConditions(filter), ...afterCondition(order, filter.after)]);
  return runSql<Placed>(db, `SELECT e.seq, e.${order.column} AS key FROM catalog_entry e WHERE ${where.sql} ${orderBy(order)} LIMIT ? OFFSET ?`, [...where.bindings, filter.limit + 1, filter.offset]);
}

/** The matches are gone through once, for the page and for their number. */
async function placesFound(db: Queryable, filter: BrowseFilter, order: Order, words: readonly string[]): Promise<{ places: Placed[]; total: number }> {
  const source = matchSource(db, words);
  const where = all(shelfConditions(filter));
  const after = all([{ sql: '1 = 1', bindings: [] }, ...afterCondition(order, filter.after)]);
  const rows = await runSql<Placed & { total: number }>(
    db,
    `WITH e AS MATERIALIZED (SELECT e.seq, e.${order.column} FROM ${source.sql} WHERE ${where.sql})
     SELECT e.seq, e.${order.column} AS key, (SELECT count(*) FROM e) AS total FROM e WHERE ${after.sql} ${orderBy(order)} LIMIT ? OFFSET ?`,
    [...source.bindings, ...where.bindings, ...after.bindings, filter.limit + 1, filter.offset],
  );
  if (rows.length > 0 || (filter.offset === 0 && filter.after === undefined)) return { places: rows, total: rows[0]?.total ?? 0 };
  const { after: _after, ...fromStart } = filter;
  return { places: [], total: (await placesFound(db, { ...fromStart, offset: 0, limit: 1 }, order, words)).total };
}

/** Of all apps but those of a time, kept by triggers. */
async function countShelves(db: Queryable, filter: BrowseFilter): Promise<number> {
  if (filter.publishedAfter !== undefined) {
    const where = all(shelfConditions(filter));
    return Number((await runSql<{ total: number }>(db, `SELECT count(*) AS total FROM catalog_entry e WHERE ${where.sql}`, where.bindings))[0]?.total ?? 0);
  }
  const { category, classification } = filter;
  const conditions: Condition[] = [
    classification === undefined ? { sql: `classification <> 'beta'`, bindings: [] } : { sql: 'classification = ?', bindings: [classification] },
    ...(category === 'all' ? [] : [{ sql: 'category = ?', bindings: [category] }]),
  ];
  const where = all(conditions);
  const rows = await runSql<{ total: number | null }>(db, `SELECT sum(apps) AS total FROM catalog_total WHERE ${where.sql}`, where.bindings);
  return Number(rows[0]?.total ?? 0);
}

type ListedRow = MiniAppRow & { seq: number; rating_count: number; rating_sum: number };

export const ratingOf = ({ rating_count: count, rating_sum: sum }: { rating_count: number; rating_sum: number }): ListedApp['rating'] => ({ average: count === 0 ? 0 : Math.round((100 * sum) / count) / 100, count });

async function appsAt(db: Queryable, places: readonly Placed[]): Promise<ListedApp[]> {
  if (places.length === 0) return [];
  const rows = await db
    .sql<ListedRow>('catalog_entry as e')
    .join('miniapp as m', 'm.miniapp_id', 'e.miniapp_id')
    .join('catalog_stats as s', 's.seq', 'e.seq')
    .whereIn('e.seq', places.map(({ seq }) => seq))
    .select<ListedRow[]>('m.*', 'e.seq', 's.rating_count', 's.rating_sum');
  const bySeq = new Map(rows.map((row) => [row.seq, row]));
  return places.flatMap(({ seq, key }) => {
    const row = bySeq.get(seq);
    return row === undefined ? [] : [{ app: miniappFromRow(row), position: { key, seq }, rating: ratingOf(row) }];
  });
}

/** One page of the active apps. `total` is of all pages; of a search it ends at 2,000. */
export async function browse(db: Queryable, filter: BrowseFilter): Promise<Page> {
  const order = orders[filter.sort];
  const { words } = filter;
  const { places, total } = words === undefined ? { places: await placesOnShelves(db, filter, order), total: await countShelves(db, filter) } : words.length === 0 ? { places: [], total: 0 } : await placesFound(db, filter, order, words);
  const page = places.slice(0, filter.limit);
  return { apps: await appsAt(db, page), total: Number(total), hasMore: places.length > page.length };
}

/** What grows fastest, fastest first. */
export async function listTrending(db: Queryable, limit: number): Promise<ListedApp[]> {
  const places = await runSql<Placed>(db, `SELECT e.seq, e.trend AS key FROM catalog_entry e WHERE e.trend > 0 AND e.listed = 1 AND e.classification <> 'beta' ORDER BY e.trend DESC, e.seq LIMIT ?`, [limit]);
  return appsAt(db, places);
}

export async function findRating(db: Queryable, miniappId: string): Promise<ListedApp['rating']> {
  const rows = await runSql<{ rating_count: number; rating_sum: number }>(db, 'SELECT s.rating_count, s.rating_sum FROM catalog_entry e JOIN catalog_stats s ON s.seq = e.seq WHERE e.miniapp_id = ?', [miniappId]);
  return ratingOf(rows[0] ?? { rating_count: 0, rating_sum: 0 });
}

/** Ratings by mini-app, for lists that have another order. */
export async function listRatings(db: Queryable, ids: readonly string[]): Promise<Map<string, ListedApp['rating']>> {
  if (ids.length === 0) return new Map();
  const rows = await db.sql('catalog_entry as e').join('catalog_stats as s', 's.seq', 'e.seq').whereIn('e.miniapp_id', [...ids]).select<{ miniapp_id: string; rating_count: number; rating_sum: number }[]>('e.miniapp_id', 's.rating_count', 's.rating_sum');
  return new Map(rows.map((row) => [row.miniapp_id, ratingOf(row)]));
}

/** Categories that have an app to show, with how many. */
export async function listCategories(db: Queryable): Promise<{ id: string; apps: number }[]> {
  const rows = await runSql<{ category: string; apps: number }>(db, `SELECT category, sum(apps) AS apps FROM catalog_total WHERE classification <> 'beta' GROUP BY category HAVING sum(apps) > 0 ORDER BY category`);
  return rows.map(({ category, apps }) => ({ id: category, apps: Number(apps) }));
}
