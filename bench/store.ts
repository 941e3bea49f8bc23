import { rank, dayOf, type Counters } from '../src/catalog/ranking.ts';
import { readCounters } from '../src/catalog/score-repo.ts';
import { scoreDue } from '../src/catalog/scores.ts';
import { addToDay, addToStats } from '../src/catalog/usage-repo.ts';
import { insertRows, openDatabase, runSql, type Database } from '../src/database/index.ts';
import { prepareServer, type ServerProcess } from '../test/support/server-process.ts';
import { drive, driveAt, percentile, type Load } from './load.ts';
import { mainThreadOf } from './processor.ts';
import type { Measurement } from './support.ts';

const many = { apps: 100_000, days: 100 };
const few = { apps: 100, days: 100 };
const p99LimitMs = 20;
const requests = 3000;
const rounds = 5;
/** In flight when it is found out how many requests there can be. */
const saturating = 8;
const policy = { weights: { installs: 30, actives: 25, rating: 20, engagement: 15, recency: 10 }, recencyHalfLifeDays: 60, trendingMinInstalls: 20, trendingMinGrowth: 0.2 };
const categories = ['games', 'food', 'shopping', 'travel', 'finance', 'health', 'social', 'news', 'education', 'utilities'];
const classes = ['community', 'community', 'community', 'community', 'verified', 'verified', 'beta', 'official'] as const;

/** The same numbers in every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

const syllables = ['ka', 'lo', 'mi', 'ter', 'van', 'so', 'pra', 'xi', 'dun', 'el', 'for', 'gu', 'hal', 'nim', 'ost', 'qua'];
/** Common words begin as differently as rare ones. */
const wordOf = (n: number): string => [...n.toString(16).padStart(3, '0')].toReversed().map((digit) => syllables[parseInt(digit, 16)]).join('');
const vocabulary = 4000;
/** Words as unequal as those of a language: of ten words one is among the hundred that everybody uses. */
const someWord = (next: () => number): string => wordOf(Math.floor(vocabulary * next() ** 2.5));
const words = (next: () => number, count: number): string => Array.from({ length: count }, () => someWord(next)).join(' ');

async function fillApps(database: Database, apps: number, now: number): Promise<void> {
  const next = numbers(7);
  for (let from = 0; from < apps; from += 5000) {
    const rows = Array.from({ length: Math.min(5000, apps - from) }, (_, at): Record<string, string | number> => {
      const age = Math.floor(next() * 1000) * 86_400_000;
      return {
        miniapp_id: `ma_app${from + at}`, name: words(next, 2), description: words(next, 20), category: categories[Math.floor(next() * categories.length)]!, classification: classes[Math.floor(next() * classes.length)]!,
        status: 'active', client_type: 'public', version: '1.0.0', entry_point: 'https://a.example', redirect_uris: '[]', scopes: '[]', developer: '{}', branding: '{}', marketing: JSON.stringify({ keywords: [someWord(next)], screenshots: ['https://a.example/1.png'] }),
        install_mode: 'optional', registered_by: 'bench', created_at: now - age, updated_at: now - age, published_at: now - age,
      };
    });
    const columns = Object.fromEntries(Object.keys(rows[0]!).map((name) => [name, name.endsWith('_at') ? 'bigint' : 'text'])) as Record<string, 'bigint' | 'text'>;
    await database.inTransaction((tx) => insertRows(tx, 'miniapp', columns, rows));
  }
}

/** Counters of every app and day, in the order of the table. */
async function fillCounters(database: Database, days: number, today: number): Promise<void> {
  const chunk = 5000;
  const [last] = await runSql<{ seq: number }>(database, 'SELECT max(seq) AS seq FROM catalog_entry');
  for (let from = 0; from <= last!.seq; from += chunk) {
    await database.inTransaction(async (tx) => {
      await runSql(
        tx,
        `INSERT INTO catalog_day (seq, day, installs, sessions, user_days, last_active, ratings, stars)
         SELECT e.seq, ? - d.n, (e.seq * 7 + d.n) % 5, (e.seq + d.n) % 90, (e.seq + d.n) % 30, (e.seq * 3 + d.n) % 11, (e.seq + d.n) % 2, ((e.seq + d.n) % 2) * (1 + e.seq % 5)
         FROM catalog_entry e, (WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < ? - 1) SELECT n FROM s) d WHERE e.seq > ? AND e.seq <= ? ON CONFLICT DO NOTHING`,
        [today, days, from, from + chunk],
      );
      await runSql(tx, 'UPDATE catalog_stats SET qualified = (seq * 37) % 40000, rating_count = ?, rating_sum = ? * (1 + seq % 5), score_due = 0 WHERE seq > ? AND seq <= ?', [days / 2, days / 2, from, from + chunk]);
    });
  }
}

const scoreAll = async (database: Database, now: number): Promise<{ scored: number; longestMs: number }> => {
  let [scored, longestMs] = [0, 0];
  for (;;) {
    const start = performance.now();
    const count = await database.inTransaction((tx) => scoreDue(tx, { clock: { now: () => now }, policy }));
    longestMs = Math.max(longestMs, performance.now() - start);
    if (count === 0) return { scored, longestMs };
    scored += count;
  }
};

/** How many stored scores are not what all counters, read again, come to. */
async function countWrong(database: Database, today: number): Promise<{ apps: number; wrong: number }> {
  const stored = await runSql<{ seq: number; score: number; trend: number }>(database, 'SELECT seq, score, trend FROM catalog_entry ORDER BY seq');
  let wrong = 0;
  for (let from = 0; from < stored.length; from += 1000) {
    const part = stored.slice(from, from + 1000);
    const counters = await readCounters(database, part.map(({ seq }) => seq), today);
    wrong += part.filter(({ seq, score, trend }) => {
      const again = rank(counters.get(seq) as Counters, policy, today);
      return again.score !== score || again.trend !== trend;
    }).length;
  }
  return { apps: stored.length, wrong };
}

const bytesOf = (path: string): Buffer => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);

function browsing(): Buffer[] {
  const next = numbers(11);
  return Array.from({ length: 200 }, () => {
    const sort = ['popular', 'recent', 'rating', 'name'][Math.floor(next() * 4)]!;
    const category = next() < 0.5 ? '' : `&category=${categories[Math.floor(next() * categories.length)]}`;
    const classification = next() < 0.7 ? '' : `&classification=${['official', 'verified', 'community'][Math.floor(next() * 3)]}`;
    return bytesOf(`/api/v1/store/apps?limit=20&sort=${sort}${category}${classification}${next() < 0.7 ? '' : '&offset=20'}`);
  });
}

function searching(): Buffer[] {
  const next = numbers(13);
  return Array.from({ length: 200 }, () => {
    const text = next() < 0.5 ? someWord(next) : next() < 0.5 ? words(next, 2) : someWord(next).slice(0, 4);
    return bytesOf(`/api/v1/store/apps?limit=20&search=${encodeURIComponent(text)}${next() < 0.7 ? '' : `&category=${categories[Math.floor(next() * categories.length)]}`}`);
  });
}

async function startWith({ apps, days }: typeof many, now: number) {
  const server: ServerProcess = await prepareServer({ env: { TMCP_SERVER_ROLES: 'api', TMCP_LOG_LEVEL: 'error', TMCP_RATE_LIMITS_ENABLED: 'false' } });
  await server.start();
  const database = openDatabase({ url: server.env.TMCP_DATABASE_URL!, poolSize: 1, busyTimeoutMs: 60_000, lockTimeoutMs: 60_000 });
  await fillApps(database, apps, now);
  await fillCounters(database, days, dayOf(now));
  const { longestMs } = await scoreAll(database, now);
  await runSql(database, 'PRAGMA wal_checkpoint(TRUNCATE)');
  const port = Number(new URL(server.url).port);
  const browse = browsing();
  const search = searching();
  const run = (pool: readonly Buffer[], count = requests) => measureCalm(server.pid!, port, count, pool);
  await run(browse, 400);
  await run(search, 400);
  const atHalf = async (pool: readonly Buffer[]): Promise<Load> => {
    const full = await drive(port, requests, saturating, (n) => pool[n % pool.length]!);
    return driveAt(port, requests, full.perSecond / 2, (n) => pool[n % pool.length]!);
  };
  return { database, longestMs, browse: () => run(browse), search: () => run(search), browseAtHalf: () => atHalf(browse), searchAtHalf: () => atHalf(search), close: async () => { await database.close(); await server.stop(); } };
}

interface Calm extends Load {
  /** What it would have taken had neither the server nor this client had to wait for a processor: what is left when others leave the machine alone. */
  readonly quiet99Ms: number;
  /** Processor time of the server's main thread for one request. */
  readonly ran50Ms: number;
  readonly ran99Ms: number;
}

/** One request after another. Who else uses the machine shows in how long threads wait, not in how long they run. */
async function measureCalm(pid: number, port: number, count: number, pool: readonly Buffer[]): Promise<Calm> {
  const [server, client] = [mainThreadOf(pid), mainThreadOf(process.pid)];
  const seen: { readonly ranMs: number; readonly waitedMs: number }[] = [];
  const look = (): void => {
    if (server !== undefined && client !== undefined) seen.push({ ranMs: server().ranMs, waitedMs: server().waitedMs + client().waitedMs });
  };
  const load = await drive(port, count, 1, (n) => {
    look();
    return pool[n % pool.length]!;
  });
  look();
  const steps = seen.slice(1).map((now, at) => ({ ranMs: now.ranMs - seen[at]!.ranMs, quietMs: load.latenciesMs[at]! - (now.waitedMs - seen[at]!.waitedMs) }));
  const of = (name: 'ranMs' | 'quietMs', share: number): number => (steps.length === 0 ? NaN : percentile(steps.map((step) => step[name]), share));
  return { ...load, ran50Ms: of('ranMs', 0.5), ran99Ms: of('ranMs', 0.99), quiet99Ms: of('quietMs', 0.99) };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Some apps are used; only their scores are computed again, and all are what a full computation gives. */
async function checkScores(database: Database, now: number, longestMs: number): Promise<Measurement> {
  const today = dayOf(now);
  const next = numbers(17);
  await database.inTransaction(async (tx) => {
    for (let n = 0; n < 1000; n += 1) {
      const seq = 1 + Math.floor(next() * many.apps);
      await addToDay(tx, seq, today - Math.floor(next() * 20), { installs: 1, sessions: 3, user_days: 1, last_active: 1, ratings: 1, stars: 5 });
      await addToStats(tx, seq, { qualified: 1, ratings: 1, stars: 5 });
    }
  });
  const { scored } = await scoreAll(database, now);
  const { apps, wrong } = await countWrong(database, today);
  const [counters] = await runSql<{ count: number }>(database, 'SELECT count(*) AS count FROM catalog_day');
  return { what: `scores of ${apps} apps as a full computation from ${counters!.count} daily counters has them`, ratio: (apps - wrong) / apps, atLeast: 1, detail: `${wrong} differ; ${scored} computed again after 1,000 changes; longest batch ${longestMs.toFixed(0)} ms` };
}

/** The store on SQLite, with a large catalogue against a small one. */
export async function measureStore(): Promise<Measurement[]> {
  const now = Date.now();
  const [small, large] = [await startWith(few, now), await startWith(many, now)];
  try {
    const scores = await checkScores(large.database, now, large.longestMs);
    const few50: number[] = [];
    const calm = { browse: [] as Calm[], search: [] as Calm[] };
    const half = { browse: [] as Load[], search: [] as Load[] };
    for (let round = 0; round < rounds; round += 1) {
      few50.push((await small.browse()).p50Ms);
      calm.browse.push(await large.browse());
      calm.search.push(await large.search());
      half.browse.push(await large.browseAtHalf());
      half.search.push(await large.searchAtHalf());
    }
    const of = <T>(all: readonly T[], pick: (one: T) => number): number => median(all.map(pick));
    const ms = (value: number): string => `${value.toFixed(1)} ms`;
    const [one, other] = [median(few50), of(calm.browse, ({ p50Ms }) => p50Ms)];
    const limits = (['browse', 'search'] as const).flatMap((name): Measurement[] => {
      const [alone, halfway] = [of(calm[name], ({ p99Ms }) => p99Ms), of(half[name], ({ p99Ms }) => p99Ms)];
      const processor = `p50 ${ms(of(calm[name], ({ p50Ms }) => p50Ms))}; processor time p50 ${ms(of(calm[name], ({ ran50Ms }) => ran50Ms))}, p99 ${ms(of(calm[name], ({ ran99Ms }) => ran99Ms))}`;
      return [
        { what: `store ${name} p99 of ${many.apps} apps, one request at a time: the limit against what it took`, ratio: p99LimitMs / alone, atLeast: 1, detail: `${ms(alone)} of ${p99LimitMs} ms, ${ms(of(calm[name], ({ quiet99Ms }) => quiet99Ms))} without waiting for a processor; ${processor}` },
        { what: `store ${name} p99 of ${many.apps} apps, at half of saturation: the limit against what it took`, ratio: p99LimitMs / halfway, atLeast: 1, detail: `${ms(halfway)} of ${p99LimitMs} ms at ${of(half[name], ({ perSecond }) => perSecond).toFixed(0)}/s, p50 ${ms(of(half[name], ({ p50Ms }) => p50Ms))}` },
      ];
    });
    return [scores, { what: `store browse p50, ${few.apps} apps against ${many.apps}`, ratio: one / other, atLeast: 1 / 1.5, detail: `${one.toFixed(2)} ms, ${other.toFixed(2)} ms: ${(other / one).toFixed(2)} times` }, ...limits];
  } finally {
    await small.close();
    await large.close();
  }
}
