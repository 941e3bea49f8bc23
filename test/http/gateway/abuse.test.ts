import { expect } from 'chai';
import type { Recording } from '../../../src/jobs/index.ts';
import { requireOrSkip } from '../../support/availability.ts';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import { defaultLimits } from '../../support/limits.ts';
import { redisAvailable, startRedis, type Redis } from '../../support/redis.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { postForm } from '../developers/support.ts';
import { funded, person, room, type Person } from '../wallet/support.ts';

const hourMs = 3_600_000;
const ids = (count: number, kind = 'pay'): string[] => Array.from({ length: count }, (_, n) => `/${kind === 'pay' ? 'api/v1/payments' : `wallet/v1/${kind}`}/invented_${n}`);
const suspendedFor = ({ status, body }: ApiResponse): unknown => [status, body.error.code, body.error.reason];
const automation = (what: string): unknown[] => [403, 'ACCOUNT_SUSPENDED', `suspected_automation_${what}`];
const suspensions = (server: WholeServer): Promise<object[]> => server.database.sql('suspension').orderBy('user_id').select('user_id', 'client_id', 'reason');
const suspended = async (who: Person): Promise<ApiResponse> =>
  eventually(
    async () => {
      const answer = await who.get('/wallet/v1/transactions');
      expect(answer.status).to.equal(403);
      return answer;
    },
    { description: 'the suspension' },
  );

onBothDatabases('suspected automation (section 11.4.5)', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_RATE_LIMITS_BALANCE_QUERY: '1/20m', TMCP_RATE_LIMITS_SUSPEND_AFTER_INVENTED_IDS: '6', TMCP_RATE_LIMITS_SUSPEND_AFTER_NEW_TOKENS: '5', TMCP_RATE_LIMITS_SUSPENSION_SECONDS: '1800' });
    server.clock.freeze();
  });
  after(() => server.close());

  const metric = async (reason: string): Promise<string | undefined> => new RegExp(`^tmcp_suspensions_total\\{reason="${reason}"\\} (\\d+)`, 'm').exec(await server.app.metrics.registry.metrics())?.[1];
  const audited = (): Promise<{ details: string }[]> => server.database.sql<{ details: string; action: string }>('audit_entry').where({ action: 'account.suspended' });

  it('is who asks for many ids that never were; the user is told, it is audited and counted, and their other clients go on', async () => {
    const mallory = await person(server, 'mallory');
    const store = await firstPartyToken(server.url, 'syt_mallory', 'tmcp_store');
    expect(await metric('suspected_automation_invented_ids')).to.equal('0');
    const paths = [...ids(2), ...ids(2, 'p2p'), ...ids(2, 'gift')];
    for (const path of paths.slice(0, 5)) expect((await mallory.get(path)).body.error.code, path).to.match(/^(PAYMENT|TRANSFER|GIFT)_NOT_FOUND$/);
    // The same again is no further id, however often.
    for (let n = 0; n < 10; n += 1) expect((await mallory.get(paths[0]!)).status).to.equal(404);
    expect(await suspensions(server)).to.deep.equal([]);
    expect((await mallory.get(paths[5]!)).status).to.equal(404);

    const answer = await suspended(mallory);
    expect(suspendedFor(answer)).to.deep.equal(automation('invented_ids'));
    expect(answer.body.error).to.deep.include({ suspended_until: new Date(server.clock.now() + 1_800_000).toISOString(), appeal_url: `${server.url}/api/v1/appeals` });
    expect((await call(server.url, 'GET', '/api/v1/client/installed', { token: store })).status).to.equal(200);
    expect(await suspensions(server)).to.deep.equal([{ user_id: mallory.userId, client_id: 'tmcp_p2p', reason: 'suspected_automation_invented_ids' }]);
    expect((await call(server.url, 'GET', '/admin/v1/suspensions', { token: server.adminToken })).body.suspensions).to.have.length(1);
    expect((await audited()).map(({ details }) => (JSON.parse(details) as { reason: string }).reason)).to.deep.equal(['suspected_automation_invented_ids']);
    expect(await metric('suspected_automation_invented_ids')).to.equal('1');
    const told = await server.database.sql<{ body: string }>('job').where('body', 'like', '%have never been%');
    expect(told).to.have.length(1);
    server.clock.advance(1_800_000);
    expect((await mallory.get('/wallet/v1/transactions')).status, 'it ends by itself').to.equal(200);
  });

  it('is not who asks for what is somebody else\'s, and is answered alike', async () => {
    const [bob, carol, dave] = [await funded(server, 'bob'), await funded(server, 'carol'), await person(server, 'dave')];
    const roomId = room(server, 'town', [bob, carol, dave]);
    const transfers: string[] = [];
    for (let n = 0; n < 8; n += 1) transfers.push((await bob.post('/wallet/v1/p2p/initiate', { recipient: carol.userId, amount: 1, currency: 'USD', idempotency_key: `gift-${n}`, room_id: roomId })).body.transfer_id as string);
    const answers = await Promise.all(transfers.map((id) => dave.get(`/wallet/v1/p2p/${id}`)));
    const invented = await dave.get('/wallet/v1/p2p/trf_invented');
    const shape = ({ status, body }: ApiResponse): unknown => [status, body.error.code, body.error.message, Object.keys(body.error as object), Object.keys(body as object)];
    expect(answers.map(shape)).to.deep.equal(transfers.map(() => shape(invented)));
    expect(shape(invented)).to.deep.include.members([404, 'TRANSFER_NOT_FOUND']);
    for (let n = 0; n < 4; n += 1) await dave.get(ids(4, 'p2p')[n]!);
    expect((await dave.get('/wallet/v1/transactions')).status, 'eight of others and five of nobody').to.equal(200);
    expect((await server.database.sql('suspension').where({ user_id: dave.userId }))).to.deep.equal([]);
  });

  it('is who opens very many sessions in an hour; not who renews the one they have', async () => {
    server.identity.whoami.set('syt_erin', { user_id: '@erin:example.org', is_guest: false });
    server.clock.advance(2 * hourMs);
    const open = (): Promise<ApiResponse> => exchange(server.url, 'syt_erin', { client_id: 'ma_official_gifts' });
    const first = await open();
    let refresh = first.body.refresh_token as string;
    for (let n = 0; n < 8; n += 1) {
      const renewed = await postForm(server, '/oauth2/token', { grant_type: 'refresh_token', client_id: 'ma_official_gifts', refresh_token: refresh });
      expect(renewed.status, JSON.stringify(renewed.body)).to.equal(200);
      refresh = renewed.body.refresh_token as string;
    }
    for (let n = 1; n < 4; n += 1) expect((await open()).status).to.equal(200);
    server.clock.advance(hourMs);
    for (let n = 0; n < 5; n += 1) expect((await open()).status, 'the hour is over').to.equal(200);
    const refused = await open();
    expect([refused.status, refused.body.error, refused.body.reason]).to.deep.equal([403, 'access_denied', 'suspected_automation_new_tokens']);
    expect((await exchange(server.url, 'syt_erin', { audience: 'tmcp_store' })).status).to.equal(200);
  });

  it('is who was refused in sixteen hours of a day, however little in each', async () => {
    server.identity.whoami.set('syt_frank', { user_id: '@frank:example.org', is_guest: false });
    const tooFast = async (): Promise<Person> => {
      const frank = await person(server, 'frank');
      expect((await frank.get('/wallet/v1/balance')).status).not.to.equal(429);
      expect((await frank.get('/wallet/v1/balance')).status).to.equal(429);
      return frank;
    };
    for (let n = 0; n < 15; n += 1) {
      const frank = await tooFast();
      // Several in one hour are one hour.
      for (let i = 0; i < 3; i += 1) expect((await frank.get('/wallet/v1/balance')).status).to.equal(429);
      server.clock.advance(hourMs);
    }
    expect((await suspensions(server)).filter((one) => (one as { user_id: string }).user_id === '@frank:example.org')).to.deep.equal([]);
    expect(suspendedFor(await suspended(await tooFast()))).to.deep.equal(automation('refused_hours'));
  });
});

onBothDatabases('suspected automation, seen by several instances', (databases) => {
  let redis: Redis;
  let first: WholeServer;
  let second: WholeServer;
  before(async function () {
    this.timeout(60_000);
    requireOrSkip(this, redisAvailable());
    redis = await startRedis();
    const url = await databases.createUrl();
    const env = { TMCP_SERVER_PUBLIC_URL: 'http://127.0.0.1:8627', TMCP_REDIS_URL: redis.url, TMCP_RATE_LIMITS_SUSPEND_AFTER_INVENTED_IDS: '5' };
    first = await startWholeServer({ ...databases, createUrl: () => Promise.resolve(url) }, env);
    second = await startWholeServer({ ...databases, createUrl: () => Promise.resolve(url) }, env, {}, first.shared);
    first.clock.freeze();
  });
  after(async () => {
    await second?.close();
    await first?.close();
    await redis?.kill();
  });

  it('is counted by all together, ends what each of them does, and is counted anew once an administrator has lifted it', async () => {
    const mallory = await person(first, 'mallory');
    const ask = async (n: number): Promise<number> => (await call((n % 2 === 0 ? first : second).url, 'GET', `/api/v1/payments/invented_${n}`, { token: mallory.token })).status;
    for (let n = 0; n < 5; n += 1) expect(await ask(n)).to.equal(404);
    await suspended(mallory);
    // What another instance has read of the suspensions is good for a second.
    first.clock.advance(1100);
    expect(suspendedFor(await call(second.url, 'GET', '/wallet/v1/balance', { token: mallory.token }))).to.deep.equal(automation('invented_ids'));

    second.identity.whoami.set(mallory.matrixToken, { user_id: mallory.userId, is_guest: false });
    const { body: appeal } = await call(second.url, 'POST', '/api/v1/appeals', { token: mallory.matrixToken, body: { message: 'My client had an old list.' } });
    expect((await call(first.url, 'POST', `/admin/v1/appeals/${appeal.appeal_id as string}/verdict`, { token: first.adminToken, body: { verdict: 'lifted' } })).status).to.equal(200);
    first.clock.advance(1100);
    for (let n = 10; n < 14; n += 1) expect(await ask(n)).to.equal(404);
    expect(await suspensions(first)).to.deep.equal([]);
    expect(await ask(14)).to.equal(404);
    await suspended(mallory);
  });
});

describe('heavy use by honest people', () => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer({ dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${temporaryDirectory('honest')}/tmcp.db`) }, defaultLimits);
    server.clock.freeze();
  });
  after(() => server.close());

  it('suspends nobody: a lively day with a game, a shop and a wallet, close to the limits', async function () {
    this.timeout(60_000);
    const [zoe, yves] = [await funded(server, 'zoe'), await funded(server, 'yves')];
    const roomId = room(server, 'town', [zoe, yves]);
    let transfer = '';
    for (let hour = 0; hour < 18; hour += 1) {
      // Tokens of the host client last an hour; ten mini-apps are opened, each with a session of its own.
      const again = await person(server, 'zoe');
      const store = await firstPartyToken(server.url, 'syt_zoe', 'tmcp_store');
      if (hour === 0) transfer = (await again.post('/wallet/v1/p2p/initiate', { recipient: yves.userId, amount: 1, currency: 'USD', idempotency_key: 'one', room_id: roomId })).body.transfer_id as string;
      for (let minute = 0; minute < 2; minute += 1) {
        const answers = await Promise.all([
          ...Array.from({ length: 20 }, (_, n) => call(server.url, 'GET', `/api/v1/storage/level_${hour}_${minute}_${n}`, { token: store })),
          ...Array.from({ length: 15 }, () => again.get('/wallet/v1/balance')),
          ...Array.from({ length: 5 }, () => again.get('/wallet/v1/transactions')),
          ...Array.from({ length: 2 }, () => exchange(server.url, 'syt_zoe', { client_id: 'ma_official_gifts' })),
          // Of a message that somebody else's server had: gone for good, and asked for at every start.
          again.get('/wallet/v1/p2p/trf_of_long_ago'),
          again.get(`/wallet/v1/p2p/${transfer}`),
        ]);
        expect(answers.map(({ status }) => status).filter((status) => [403, 429].includes(status))).to.deep.equal([]);
        server.clock.advance(60_000);
      }
      // Once an hour the hand is too quick, in a long day.
      if (hour < 15) await Promise.all(Array.from({ length: 74 }, () => again.get('/wallet/v1/balance')));
      server.clock.advance(58 * 60_000);
    }
    expect(await suspensions(server)).to.deep.equal([]);
    const record = (await server.app.jobs['maintenance']!.run({ id: 'x', stream: 'x', kind: 'maintenance', body: {}, attempt: 1, createdAt: 0, unsettledSince: undefined })) as Recording;
    await server.database.inTransaction(record);
    expect(await server.database.sql('audit_entry').where({ action: 'account.suspended' })).to.deep.equal([]);
  });
});
