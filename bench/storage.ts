import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase } from '../src/database/index.ts';
import { firstPartyToken } from '../test/support/api.ts';
import { startIdentityServers } from '../test/http/oauth/identity-servers.ts';
import { prepareServer } from '../test/support/server-process.ts';
import { sharedPostgres } from '../test/support/postgres.ts';
import { runShutdown } from '../test/support/shutdown.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import { drive, requestBytes, type Load } from './load.ts';
import { inTurns, type Measurement } from './support.ts';

const rounds = 7;
const inFlight = 16;
const value = { items: Array.from({ length: 4 }, (_, n) => ({ id: `prod_${n}`, qty: n })) };
const keyCount = 100;
const path = (n: number): string => `/api/v1/storage/cart_${n % keyCount}`;

/** The server as it is started, in a process of its own. */
async function startOurs(databaseUrl: string | undefined, users: number, cacheBytes = 0) {
  const identity = await startIdentityServers();
  const server = await prepareServer({ ...(databaseUrl === undefined ? {} : { databaseUrl }), env: { TMCP_HOMESERVER_URL: identity.url, TMCP_LOG_LEVEL: 'error', TMCP_STORAGE_CACHE_BYTES: String(cacheBytes) } });
  await server.start();
  const tokens: string[] = [];
  for (let n = 0; n < users; n += 1) {
    identity.whoami.set(`syt_${n}`, { user_id: `@user${n}:hs.test`, is_guest: false });
    tokens.push(await firstPartyToken(server.url, `syt_${n}`, 'tmcp_store'));
  }
  return {
    port: Number(new URL(server.url).port),
    tokens,
    database: server.env.TMCP_DATABASE_URL!,
    close: async () => {
      await server.stop();
      await identity.close();
    },
  };
}

async function startFloor() {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'floor/server.ts'), temporaryDirectory('floor')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { port, token } = JSON.parse(line) as { port: number; token: string };
  return {
    port,
    token,
    close: async () => {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

const rate = async (load: Promise<Load>): Promise<number> => (await load).perSecond;

async function againstFloor({ createUrl, name, floorsHold }: Place): Promise<Measurement[]> {
  const [ours, floor] = [await startOurs(await createUrl(), 1), await startFloor()];
  const token = ours.tokens[0]!;
  try {
    const requests = (method: string, as: string) => {
      const made = Array.from({ length: keyCount }, (_, n) => requestBytes(method, path(n), as, method === 'PUT' ? { value } : undefined));
      return (n: number): Buffer => made[n % keyCount]!;
    };
    const measurements: Measurement[] = [];
    for (const [method, count] of [['PUT', 1500], ['GET', 8000]] as const) {
      const [toOurs, toFloor] = [requests(method, token), requests(method, floor.token)];
      await drive(ours.port, count, inFlight, toOurs);
      await drive(floor.port, count, inFlight, toFloor);
      const rates = await inTurns(rounds, () => rate(drive(ours.port, count, inFlight, toOurs)), () => rate(drive(floor.port, count, inFlight, toFloor)));
      measurements.push({ what: `storage ${method}${name}, ${inFlight} in flight`, ratio: rates.ours / rates.floor, atLeast: floorsHold ? 0.5 : 0, detail: `${rates.ours.toFixed(0)}/s, floor ${rates.floor.toFixed(0)}/s` });
    }
    const batch = requestBytes('POST', '/api/v1/storage/batch/get', token, { keys: Array.from({ length: 100 }, (_, n) => `cart_${n}`) });
    const get = requests('GET', token);
    const p50 = { one: [] as number[], batch: [] as number[] };
    for (let round = 0; round < rounds; round += 1) {
      p50.one.push((await drive(ours.port, 1000, 1, get)).p50Ms);
      p50.batch.push((await drive(ours.port, 300, 1, () => batch)).p50Ms);
    }
    const [one, many] = [median(p50.one), median(p50.batch)];
    measurements.push({ what: `storage batch get of 100 keys${name} in the time of five GETs`, ratio: (5 * one) / many, atLeast: floorsHold ? 1 : 0, detail: `${many.toFixed(2)} ms, one GET ${one.toFixed(2)} ms: ${(many / one).toFixed(1)} times` });
    return measurements;
  } finally {
    await floor.close();
    await ours.close();
  }
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

const readers = 20;

/** Entries of people who are not looking: as large as the others, never read. */
async function fill(url: string, entries: number): Promise<void> {
  const database = openDatabase({ url, poolSize: 1, busyTimeoutMs: 60_000, lockTimeoutMs: 60_000 });
  const postgres = database.dialect === 'postgres';
  const series = postgres ? 'generate_series(0, ? - 1) AS s(n)' : '(WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < ? - 1) SELECT n FROM s)';
  const blob = postgres ? `decode(repeat('ab', 150), 'hex')` : 'zeroblob(150)';
  await database.inTransaction(async (tx) => {
    await tx.sql.raw(`INSERT INTO storage_space (user_id, namespace, bytes, keys, rev, floor, mutations) SELECT '@other' || n || ':hs.test', 'ma_other', 150000, 1000, 1000, 0, 0 FROM ${series}`, [entries / 1000]);
    await tx.sql.raw(
      `INSERT INTO storage_entry (space_id, key, rev, written_at, created_at, updated_at, bytes, key_id, value)
       SELECT o.id, 'key_' || s.n, s.n + 1, 0, 0, 0, 150, 'key_none', ${blob} FROM storage_space o, ${series} ${postgres ? '' : 's'} WHERE o.namespace = 'ma_other'`,
      [1000],
    );
  });
  if (postgres) await database.sql.raw('ANALYZE');
  await database.close();
}

/** p50 of GETs of random entries of twenty people, among `entries` altogether. */
async function startReaders(databaseUrl: string | undefined, entries: number) {
  const ours = await startOurs(databaseUrl, readers);
  const each = Math.min(1000, entries / readers);
  for (const token of ours.tokens) {
    for (let from = 0; from < each; from += 50) {
      const items = Array.from({ length: 50 }, (_, n) => ({ key: `key_${from + n}`, value }));
      await drive(ours.port, 1, 1, () => requestBytes('POST', '/api/v1/storage/batch/set', token, { items }));
    }
  }
  if (entries > readers * each) await fill(ours.database, entries - readers * each);
  const next = (n: number): Buffer => requestBytes('GET', `/api/v1/storage/key_${(n * 7919) % each}`, ours.tokens[n % readers]!);
  await drive(ours.port, 5000, 1, next);
  return { p50: async () => (await drive(ours.port, 4000, 1, next)).p50Ms, close: ours.close };
}

async function bySize({ createUrl, name, floorsHold }: Place): Promise<Measurement> {
  const few = await startReaders(await createUrl(), 1000);
  const many = await startReaders(await createUrl(), 1_000_000);
  try {
    await delay(1000);
    const p50 = { few: [] as number[], many: [] as number[] };
    for (let round = 0; round < rounds; round += 1) {
      p50.few.push(await few.p50());
      p50.many.push(await many.p50());
    }
    const [small, large] = [median(p50.few), median(p50.many)];
    return { what: `storage GET p50${name} at 1,000 entries against 1,000,000`, ratio: small / large, atLeast: floorsHold ? 1 / 1.2 : 0, detail: `${small.toFixed(3)} ms, ${large.toFixed(3)} ms: ${(large / small).toFixed(2)} times` };
  } finally {
    await few.close();
    await many.close();
  }
}

/** GETs of a hundred hot entries with a cache of 64 MiB, against the same without. */
async function withCache({ createUrl, name }: Place): Promise<Measurement> {
  const [ours, floor] = [await startOurs(await createUrl(), 1, 64 * 1024 * 1024), await startOurs(await createUrl(), 1)];
  try {
    const requests = (method: string, token: string) => (n: number): Buffer => requestBytes(method, path(n), token, method === 'PUT' ? { value } : undefined);
    for (const { port, tokens } of [ours, floor]) {
      await drive(port, keyCount, 4, requests('PUT', tokens[0]!));
      await drive(port, 8000, inFlight, requests('GET', tokens[0]!));
    }
    const measure = ({ port, tokens }: typeof ours) => rate(drive(port, 8000, inFlight, requests('GET', tokens[0]!)));
    const rates = await inTurns(rounds, () => measure(ours), () => measure(floor));
    return { what: `storage GET with a cache${name}, ${inFlight} in flight, against none`, ratio: rates.ours / rates.floor, atLeast: 0, detail: `${rates.ours.toFixed(0)}/s, ${rates.floor.toFixed(0)}/s without` };
  } finally {
    await ours.close();
    await floor.close();
  }
}

/** Where it is measured; the floors are for SQLite, as is the bare handler. */
interface Place {
  readonly name: string;
  readonly createUrl: () => Promise<string | undefined>;
  readonly floorsHold: boolean;
}

const sqlite: Place = { name: '', createUrl: () => Promise.resolve(undefined), floorsHold: true };
const postgres: Place = { name: ' on PostgreSQL', createUrl: async () => (await sharedPostgres()).createDatabase(), floorsHold: false };

/** Storage on SQLite, against a bare handler that does only what can't be left out. */
export const measureStorage = async (): Promise<Measurement[]> => [...(await againstFloor(sqlite)), await bySize(sqlite), await withCache(sqlite)];

/** The same on PostgreSQL, for information: named to be run (`npm run bench storage_postgres`). */
export const measureStoragePostgres = async (): Promise<Measurement[]> => {
  try {
    return [...(await againstFloor(postgres)), await bySize(postgres), await withCache(postgres)];
  } finally {
    await runShutdown();
  }
};
