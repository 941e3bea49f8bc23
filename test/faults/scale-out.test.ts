import { expect } from 'chai';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase, type Database } from '../../src/database/index.ts';
import { asMiniAppId } from '../../src/kernel/ids.ts';
import { call, firstPartyToken, type ApiResponse } from '../support/api.ts';
import { requireOrSkip } from '../support/availability.ts';
import { openEvents, type EventStream, type StreamEvent } from '../support/event-stream.ts';
import { eventually } from '../support/eventually.ts';
import { insertTestApp } from '../support/miniapps.ts';
import { nginxAvailable, startNginx, type Nginx } from '../support/nginx.ts';
import { postgresAvailable, sharedPostgres } from '../support/postgres.ts';
import { redisAvailable, startRedis, type Redis } from '../support/redis.ts';
import { prepareServer, type ServerProcess } from '../support/server-process.ts';
import { freePort, temporaryDirectory } from '../support/temporary.ts';
import { startBankHomeserver, type BankHomeserver } from './bank/homeserver.ts';

const INSTANCES = 3;
const WRITERS = 4;
/** How long the load goes on before and after an instance is killed; after that also until so much has happened. */
const PHASE_MS = 2000;
const LEAST_MOVES = 11;
const LEAST_REPLACED = 4;
const app = asMiniAppId('ma_scale');

/** What one user did, all of it acknowledged. */
interface Done {
  readonly name: string;
  readonly token: string;
  readonly listener: string;
  /** The last value of each key. */
  readonly stored: Map<string, string>;
  /** Installations and removals, which take turns. */
  moves: number;
  lost: number;
}

/** What one user has heard: on streams that have ended, and on the one that is open. */
interface Ear {
  readonly before: StreamEvent[];
  stream: EventStream | undefined;
}

const heardBy = ({ before, stream }: Ear): StreamEvent[] => [...before, ...(stream?.unread ?? [])].filter(({ event }) => event?.startsWith('miniapp.') === true);

/** Of a category that only the test of limits asks for. */
const BATCHES_AN_HOUR = 6;

describe('three servers behind nginx over one PostgreSQL and one Redis', () => {
  const servers: ServerProcess[] = [];
  let nginx: Nginx;
  let redis: Redis;
  let homeserver: BankHomeserver;
  let database: Database;
  let people: Done[];
  const replaced: string[] = [];

  before(async function () {
    this.timeout(90_000);
    requireOrSkip(this, nginxAvailable());
    requireOrSkip(this, redisAvailable());
    requireOrSkip(this, await postgresAvailable());
    redis = await startRedis();
    const databaseUrl = await (await sharedPostgres()).createDatabase();
    const directory = temporaryDirectory('scale');
    const front = await freePort();
    homeserver = await startBankHomeserver([...Array.from({ length: WRITERS }, (_, n) => `w${n}`), 'switcher']);
    const env = {
      TMCP_SERVER_PUBLIC_URL: `http://127.0.0.1:${front}`,
      TMCP_SECURITY_KEY_RING: join(directory, 'key-ring.json'),
      TMCP_REDIS_URL: redis.url,
      TMCP_RATE_LIMITS_STORAGE_BATCH: `${BATCHES_AN_HOUR}/1h`,
      TMCP_HOMESERVER_URL: homeserver.url,
      TMCP_HOMESERVER_DOMAIN: 'example.org',
      TMCP_LOG_LEVEL: 'warn',
      TMCP_JOBS_LEASE_SECONDS: '5',
      // Nobody looks by itself: what waits is woken by another process.
      TMCP_STORAGE_POLL_INTERVAL_MS: '60000',
    };
    for (let n = 0; n < INSTANCES; n += 1) servers.push(await prepareServer({ databaseUrl, env }));
    // The first makes the tables and the key ring, which the others find.
    await servers[0]!.start();
    await Promise.all(servers.slice(1).map((server) => server.start()));
    nginx = await startNginx(front, servers.map(({ url }) => Number(new URL(url).port)));
    database = openDatabase({ url: databaseUrl, poolSize: 3, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    await insertTestApp(database, app);
    people = await Promise.all(
      Array.from({ length: WRITERS }, async (_, n) => {
        const tokenFor = (audience: 'tmcp_store' | 'tmcp_p2p') => firstPartyToken(nginx.url, `syt_w${n}`, audience);
        return { name: `w${n}`, token: await tokenFor('tmcp_store'), listener: await tokenFor('tmcp_p2p'), stored: new Map<string, string>(), moves: 0, lost: 0 };
      }),
    );
  });
  after(async () => {
    await nginx?.stop();
    await Promise.all(servers.map((server) => server.stop()));
    await database?.close();
    await homeserver?.close();
    await redis?.kill();
  });

  /** Until it is answered by a server: nginx says 502 or 504 for one that is gone. */
  const untilAnswered = async (who: Pick<Done, 'lost'>, send: () => Promise<ApiResponse>): Promise<ApiResponse> => {
    for (;;) {
      const answer = await send().catch(() => undefined);
      if (answer !== undefined && ![502, 503, 504].includes(answer.status)) return answer;
      who.lost += 1;
      await delay(20);
    }
  };

  const store = async (who: Done, n: number): Promise<void> => {
    const [key, value] = [`k${n % 5}`, `${who.name} ${n}`];
    // A repeat has the same mutation_id, so that it is one write.
    const { status, body } = await untilAnswered(who, () => call(nginx.url, 'PUT', `/api/v1/storage/${key}`, { token: who.token, body: { value, mutation_id: `${who.name}-${n}` } }));
    expect(status, JSON.stringify(body)).to.equal(200);
    who.stored.set(key, value);
  };

  /** Installs and removes in turn. Done twice for want of an answer it is done once. */
  const move = async (who: Done): Promise<void> => {
    const installs = who.moves % 2 === 0;
    let tries = 0;
    const { status, body } = await untilAnswered(who, () => {
      tries += 1;
      return call(nginx.url, installs ? 'POST' : 'DELETE', `/api/v1/store/apps/${app}/install`, { token: who.token, ...(installs ? { body: {} } : {}) });
    });
    // Of a removal whose answer was lost, the second finds nothing to remove.
    const gone = !installs && tries > 1 && status === 404;
    expect(gone || status === 200 || status === 201, `${status} ${JSON.stringify(body)}`).to.equal(true);
    who.moves += 1;
  };

  /** Listens through nginx, and comes again with what it has when a stream breaks. */
  const listen = async (who: Done, ear: Ear, until: AbortSignal): Promise<void> => {
    let lastEventId: string | undefined;
    while (!until.aborted) {
      const stream = await openEvents(nginx.url, who.listener, lastEventId === undefined ? {} : { lastEventId }).catch(() => undefined);
      if (stream?.status !== 200) {
        await delay(20);
        continue;
      }
      until.addEventListener('abort', () => stream.close(), { once: true });
      ear.stream = stream;
      await stream.ended;
      lastEventId = stream.lastEventId ?? lastEventId;
      ear.before.push(...stream.unread);
      ear.stream = undefined;
    }
  };

  /** Signs in again and again with one Matrix token: each session takes the place of the one before it. */
  const switchSessions = async (ended: () => boolean): Promise<void> => {
    let last: string | undefined;
    while (!ended()) {
      const token = await firstPartyToken(nginx.url, 'syt_switcher', 'tmcp_store').catch(() => undefined);
      if (token === undefined) continue;
      if (last !== undefined) replaced.push(last);
      last = token;
      await delay(50);
    }
  };

  const running = (): ServerProcess[] => servers.filter((_, n) => n !== 1);

  it('lose no answered request, double no event and revive no token when one is killed under load', async function () {
    this.timeout(120_000);
    let over = false;
    const stop = new AbortController();
    const ears = people.map((): Ear => ({ before: [], stream: undefined }));
    const listening = people.map((who, n) => listen(who, ears[n]!, stop.signal));
    const movesOfAll = (): number => people.reduce((sum, { moves: count }) => sum + count, 0);
    await eventually(async () => {
      const open = await Promise.all(servers.map(async ({ metricsUrl }) => Number(/^tmcp_event_streams (\d+)$/m.exec(await (await fetch(metricsUrl)).text())?.[1])));
      expect(open.reduce((sum, n) => sum + n, 0)).to.equal(WRITERS);
    }, { description: 'everybody listens' });
    const load = people.map(async (who) => {
      for (let n = 0; !over; n += 1) {
        await store(who, n);
        if (n % 3 === 0) await move(who);
      }
    });
    const switching = switchSessions(() => over);
    await delay(PHASE_MS);
    await servers[1]!.kill();
    await delay(PHASE_MS);
    await eventually(() => {
      expect(movesOfAll()).to.be.at.least(LEAST_MOVES);
      expect(replaced.length).to.be.at.least(LEAST_REPLACED);
    }, { description: 'enough has happened' });
    over = true;
    await Promise.all([...load, switching]);

    // What was replaced more than a second ago is good nowhere.
    await delay(1000);
    for (const { url } of running()) for (const token of replaced) expect((await call(url, 'GET', '/api/v1/storage/info', { token })).status).to.equal(401);
    await servers[1]!.start();
    for (const token of replaced) expect((await call(servers[1]!.url, 'GET', '/api/v1/storage/info', { token })).status, 'a token came back to life').to.equal(401);

    for (const who of people) {
      for (const { url } of servers) {
        for (const [key, value] of who.stored) expect((await call(url, 'GET', `/api/v1/storage/${key}`, { token: who.token })).body.value, `${who.name} ${key}`).to.equal(value);
      }
    }
    const moves = movesOfAll();
    await eventually(async () => expect(await database.sql('job').whereIn('state', ['queued', 'parked']).andWhere('kind', 'matrix.event')).to.deep.equal([]), { description: 'everything is told', timeoutMs: 30_000 });
    const told = homeserver.sent.filter(({ type }) => /installed$/.test(type));
    expect(told).to.have.length(moves);
    expect(new Set(told.map(({ content }) => content.delivery_id)).size, 'an event was sent twice').to.equal(told.length);
    await eventually(() => people.forEach((who, n) => expect(heardBy(ears[n]!).length, who.name).to.be.at.least(who.moves)), { description: 'everybody has heard everything' });
    // What comes twice comes by the next look.
    await delay(600);
    stop.abort();
    await Promise.all(listening);
    people.forEach((who, n) => {
      const events = heardBy(ears[n]!);
      expect(events.map(({ event }) => event), who.name).to.deep.equal(Array.from({ length: who.moves }, (_, turn) => (turn % 2 === 0 ? 'miniapp.installed' : 'miniapp.uninstalled')));
      expect(new Set(events.map(({ id }) => id)).size, 'a notice came twice').to.equal(events.length);
    });
    const twice = await database.sql('job').where({ kind: 'matrix.event' }).andWhere('attempts', '>', 1).count<{ n: number | string }[]>({ n: '*' });
    const lost = people.reduce((sum, who) => sum + who.lost, 0);
    console.log(`      ${people.reduce((sum, { stored }) => sum + stored.size, 0)} keys, ${moves} moves, ${lost} answers lost, ${replaced.length} tokens replaced, ${Number(twice[0]!.n)} jobs begun again`);
  });

  it('wake who waits in another process', async function () {
    this.timeout(20_000);
    const { token } = people[0]!;
    const [here, there] = [servers[0]!.url, servers[2]!.url];
    const { body } = await call(there, 'GET', '/api/v1/storage/info', { token });
    const waiting = call(there, 'GET', `/api/v1/storage/changes?since=${body.rev}&wait=60`, { token });
    // Requests on the same server one after another: the first is waiting by then.
    for (let n = 0; n < 5; n += 1) await call(there, 'GET', '/api/v1/storage/info', { token });
    await call(here, 'PUT', '/api/v1/storage/woken', { token, body: { value: 1 } });
    expect((await waiting).body.changes[0].key).to.equal('woken');
  });

  /** The metric that config/monitoring/alerts.yml watches. */
  const redisUp = (): Promise<(string | undefined)[]> => Promise.all(servers.map(async ({ metricsUrl }) => /^tmcp_rate_limit_redis_up (\d)$/m.exec(await (await fetch(metricsUrl)).text())?.[1]));
  const allSay = (value: string): Promise<unknown> => eventually(async () => expect(await redisUp()).to.deep.equal(servers.map(() => value)), { description: `every instance says that Redis is ${value === '1' ? 'there' : 'away'}` });
  const batch = async (token: string, server: ServerProcess): Promise<number> => (await call(server.url, 'POST', '/api/v1/storage/batch/get', { token, body: { keys: ['k0'] } })).status;
  /** What is used up through one instance or through several is refused by each. */
  const expectOneAllowance = async (token: string): Promise<void> => {
    const statuses: number[] = [];
    for (let n = 0; n < BATCHES_AN_HOUR; n += 1) statuses.push(await batch(token, servers[n % INSTANCES]!));
    for (const server of servers) statuses.push(await batch(token, server));
    expect(statuses).to.deep.equal([...Array.from({ length: BATCHES_AN_HOUR }, () => 200), 429, 429, 429]);
  };

  it('share limits, go on alone without a failure while Redis is gone, say so, and share them again', async function () {
    this.timeout(60_000);
    await allSay('1');
    await expectOneAllowance(people[0]!.token);

    let over = false;
    const statuses = new Map<number, number>();
    const load = people.map(async (who) => {
      for (let n = 0; !over; n += 1) {
        const { status } = await call(nginx.url, 'PUT', `/api/v1/storage/redis${n % 5}`, { token: who.token, body: { value: n } });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    });
    const served = (): number => statuses.get(200) ?? 0;
    const goesOn = (after: number): Promise<unknown> => eventually(() => expect(served()).to.be.greaterThan(after + 50), { description: 'the load goes on' });
    await goesOn(0);
    await redis.kill();
    await allSay('0');
    // Each instance has an allowance of its own now.
    const alone: number[] = [];
    for (let n = 0; n <= BATCHES_AN_HOUR; n += 1) alone.push(await batch(people[1]!.token, servers[0]!));
    expect(alone).to.deep.equal([...Array.from({ length: BATCHES_AN_HOUR }, () => 200), 429]);
    expect(await batch(people[1]!.token, servers[2]!)).to.equal(200);
    await goesOn(served());
    await redis.start();
    await allSay('1');
    await goesOn(served());
    over = true;
    await Promise.all(load);
    expect([...statuses.keys()], 'no request failed').to.deep.equal([200]);
    await expectOneAllowance(people[2]!.token);
    console.log(`      ${served()} writes while Redis went and came back`);
  });
});
