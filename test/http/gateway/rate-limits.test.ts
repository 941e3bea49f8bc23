import { expect } from 'chai';
import { loadContract } from '../../../src/http/index.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { policiesOf } from '../../../src/limits.ts';
import { AppError } from '../../../src/kernel/errors.ts';
import { requestContext } from '../../../src/kernel/request-context.ts';
import { createLimits, createMemoryStore, requestLimits } from '../../../src/security/limits/index.ts';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases, type TestDatabase } from '../../support/databases.ts';
import { defaultLimits } from '../../support/limits.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { postForm, tokenRequest } from '../developers/support.ts';
import { recordingLog, TestClock } from '../oauth/support.ts';
import { act, ask, newPayer, newShop, type Payer } from '../payments/support.ts';
import { funded, person, room } from '../wallet/support.ts';

const sqlite: TestDatabase = { dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${temporaryDirectory('limits')}/tmcp.db`) };
const defaults = () => loadConfig({ cwd: temporaryDirectory('limits-config'), env: {}, ignoreRegistration: true }).rate_limits;

/** Section 11.4.1: category, limit, window in seconds, burst. */
const table = [
  ['Device code request', 'device_code', 20, 60, 5],
  ['Token generation', 'token_generation', 10, 60, 3],
  ['Token refresh', 'token_refresh', 20, 3600, 5],
  ['TEP validation', 'tep_validation', 1000, 60, 100],
  ['Payment initiation', 'payment_initiation', 5, 60, 0],
  ['Payment authorization', 'payment_authorization', 3, 60, 0],
  ['Failed payments', 'failed_payments', 5, 300, 0],
  ['P2P transfers', 'p2p_transfers', 10, 3600, 3],
  ['Balance query', 'balance_query', 60, 60, 10],
  ['Transaction history', 'transaction_history', 30, 60, 5],
  ['User resolution', 'user_resolution', 100, 60, 20],
  ['GET/SET/DELETE', 'storage', 100, 60, 20],
  ['Batch operations', 'storage_batch', 10, 60, 2],
  ['App registration', 'app_registration', 5, 86_400, 0],
  ['App updates', 'app_updates', 10, 3600, 0],
] as const;

type Send = () => Promise<ApiResponse>;

/** Sends until one is refused, and says how many were not. */
async function until429(send: Send, most: number): Promise<{ readonly before: number; readonly refused: ApiResponse }> {
  let before = 0;
  while (before <= most) {
    const answers = await Promise.all(Array.from({ length: before + 20 < most ? 20 : 1 }, send));
    const refused = answers.find(({ status }) => status === 429);
    before += answers.filter(({ status }) => status !== 429).length;
    if (refused !== undefined) return { before, refused };
  }
  throw new Error(`${before} requests were let in`);
}

describe('limits on requests (section 11.4.1)', () => {
  const { operations } = loadContract(new URL('../../../schema/openapi.yaml', import.meta.url));

  it('are those of the specification where nothing else is configured', () => {
    const policies = policiesOf(defaults());
    for (const [row, category, limit, seconds, burst] of table) expect(policies[category], row).to.deep.equal({ algorithm: 'token_bucket', limit, windowMs: seconds * 1000, burst });
  });

  it('have a category for each operation of the document, or say that there is none', () => {
    expect(operations.filter(({ rateLimit }) => rateLimit === undefined).map(({ id }) => id)).to.deep.equal([]);
    const known = ['exempt', ...Object.keys(policiesOf(defaults()))];
    expect(operations.filter(({ rateLimit }) => !known.includes(rateLimit!)).map(({ id }) => id)).to.deep.equal([]);
  });

  /** Rows whose requests are others' business, asked of the limits themselves. */
  describe('of payments', () => {
    const clock = new TestClock();
    const payer = { kind: 'session', userId: '@alice:example.org', clientId: 'ma_shop' } as never;
    const build = () => {
      const suspensions = { find: () => Promise.resolve(undefined), suspend: () => Promise.resolve(), refusal: () => new AppError('ACCOUNT_SUSPENDED', 'locked') } as never;
      return requestLimits(createLimits({ store: createMemoryStore(clock), clock, enabled: true, policies: policiesOf(defaults()), suspensions, suspendAfter: {} }), recordingLog());
    };
    const code = (work: Promise<void>): Promise<string> => work.then(() => 'let in', (error: AppError) => error.code);
    before(() => clock.freeze());

    for (const [row, category, limit] of table.filter(([, category]) => category.startsWith('payment_'))) {
      it(`${row}: ${limit} in a minute`, async () => {
        const limits = build();
        const outcomes: string[] = [];
        for (let i = 0; i <= limit; i += 1) outcomes.push(await code(limits.admit(category, payer)));
        expect(outcomes).to.deep.equal([...Array.from({ length: limit }, () => 'let in'), 'RATE_LIMIT_EXCEEDED']);
        clock.advance(60_000 / limit);
        expect(await code(limits.admit(category, payer))).to.equal('let in');
      });
    }

    it('Failed payments: after five, one is told to wait (429), and who does not is locked out (403)', async () => {
      const limits = build();
      for (let i = 0; i < 5; i += 1) {
        expect(await code(limits.admit('p2p_transfers', payer))).to.equal('let in');
        await limits.failed('p2p_transfers', payer, new AppError('INSUFFICIENT_FUNDS', 'no'), '');
      }
      expect(await code(limits.admit('p2p_transfers', payer))).to.equal('RATE_LIMIT_EXCEEDED');
      expect(await code(limits.admit('money_changes', payer))).to.equal('ACCOUNT_SUSPENDED');
      expect(await code(limits.admit('balance_query', payer))).to.equal('let in');
      expect(await code(limits.admit('p2p_transfers', { kind: 'session', userId: '@alice:example.org', clientId: 'ma_other' } as never))).to.equal('let in');
      clock.advance(60_000);
      expect(await code(limits.admit('p2p_transfers', payer))).to.equal('let in');
    });

    it('Failed payments: what is wrong with the request itself does not count', async () => {
      const limits = build();
      for (let i = 0; i < 8; i += 1) await limits.failed('p2p_transfers', payer, new AppError('INVALID_REQUEST', 'no'), '');
      expect(await code(limits.admit('p2p_transfers', payer))).to.equal('let in');
    });
  });

  describe('of a server that is told nothing else', () => {
    let server: WholeServer;
    const tokens: Record<string, string> = {};
    let payer: Payer;
    before(async () => {
      server = await startWholeServer(sqlite, { ...defaultLimits, TMCP_RATE_LIMITS_SUSPEND_AFTER_VIOLATIONS: '0', TMCP_DEVELOPERS_WHITELIST: '@dana:example.org' });
      for (const name of ['alice', 'bob', 'carol', 'dana']) server.identity.whoami.set(`syt_${name}`, { user_id: `@${name}:example.org`, is_guest: false });
      tokens.store = await firstPartyToken(server.url, 'syt_alice', 'tmcp_store');
      tokens.bob = await firstPartyToken(server.url, 'syt_bob', 'tmcp_store');
      tokens.pay = await firstPartyToken(server.url, 'syt_alice', 'tmcp_p2p');
      tokens.developer = (await tokenRequest(server, { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: 'syt_dana', subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' })).body.access_token as string;
      payer = await newPayer(server, await newShop(server, 'ma_shop'), 'zoe');
      server.clock.freeze();
    });
    after(() => server.close());

    const api = (token: string, method: string, path: string, body?: object): Send => () => call(server.url, method, path, { token: tokens[token]!, ...(body === undefined ? {} : { body }) });
    const app = { name: 'Chess', technical: { entry_url: 'https://chess.example', redirect_uris: ['https://chess.example/cb'], scopes_requested: ['storage:read'] } };
    const sends: Record<string, Send> = {
      device_code: () => postForm(server, '/oauth2/device/authorization', { client_id: 'ma_official_gifts', scope: 'user:read' }),
      token_generation: () => exchange(server.url, 'syt_carol', { audience: 'tmcp_store' }),
      tep_validation: api('store', 'GET', '/api/v1/client/installed'),
      payment_initiation: () => ask(server, payer.appToken),
      payment_authorization: () => act(server, payer.appToken, 'pay_unknown', 'authorize', { signature: 'x', device_id: 'device_zoe', timestamp: '2026-01-01T00:00:00Z' }),
      p2p_transfers: api('pay', 'POST', '/wallet/v1/p2p/initiate', {}),
      balance_query: api('pay', 'GET', '/wallet/v1/balance'),
      transaction_history: api('pay', 'GET', '/wallet/v1/transactions'),
      user_resolution: api('pay', 'GET', '/wallet/v1/resolve/@bob:example.org'),
      storage: api('store', 'GET', '/api/v1/storage/key'),
      storage_batch: api('store', 'POST', '/api/v1/storage/batch/get', { keys: ['a'] }),
      app_registration: api('developer', 'POST', '/mini-apps/v1/register', app),
      app_updates: api('developer', 'POST', '/mini-apps/v1/ma_unknown/secrets/rotate', {}),
    };

    for (const [row, category, limit, seconds, burst] of table.filter((one) => Object.hasOwn(sends, one[1]))) {
      it(`${row}: ${limit} in ${seconds} s and ${burst} at once`, async function () {
        this.timeout(60_000);
        const { before, refused } = await until429(sends[category]!, limit + burst + 1);
        expect(before).to.equal(limit + burst);
        expect(refused.headers.get('x-ratelimit-limit')).to.equal(String(limit));
        expect(refused.headers.get('x-ratelimit-remaining')).to.equal('0');
        expect(refused.headers.get('retry-after')).to.equal(String(Math.ceil(seconds / limit)));
        server.clock.advance((seconds * 1000) / limit);
        expect((await sends[category]!()).status).not.to.equal(429);
        expect((await sends[category]!()).status).to.equal(429);
      });
    }

    it('Failed payments: 5 in 300 s, then 429, then 403 for who does not wait', async () => {
      const [yves, bob] = [await funded(server, 'yves', '1.00'), await person(server, 'bob')];
      const roomId = room(server, 'chat', [yves, bob]);
      const send = (n: number): Promise<ApiResponse> => yves.post('/wallet/v1/p2p/initiate', { recipient: bob.userId, amount: 500, currency: 'USD', idempotency_key: `failed-${n}`, room_id: roomId });
      const outcomes: [number, string][] = [];
      for (let n = 0; n < 7; n += 1) {
        const { status, body } = await send(n);
        outcomes.push([status, body.error.code as string]);
      }
      expect(outcomes).to.deep.equal([...Array.from({ length: 5 }, () => [402, 'INSUFFICIENT_FUNDS']), [429, 'RATE_LIMIT_EXCEEDED'], [403, 'ACCOUNT_SUSPENDED']]);
      expect((await yves.get('/wallet/v1/balance')).status, 'what moves no money goes on').to.equal(200);
      server.clock.advance(60_000);
      expect((await send(8)).status).to.equal(402);
    });

    it('are all rows of the table', () => {
      expect(table.map(([, category]) => category).filter((category) => !Object.hasOwn(sends, category))).to.deep.equal(['token_refresh', 'failed_payments']);
      expect(table).to.have.length(15);
    });

    it('Token refresh: 20 in an hour and 5 at once', async function () {
      this.timeout(60_000);
      const device = await exchange(server.url, 'syt_bob', { client_id: 'ma_official_gifts' });
      expect(device.status, JSON.stringify(device.body)).to.equal(200);
      let refresh = device.body.refresh_token as string;
      const send: Send = async () => {
        const answer = await postForm(server, '/oauth2/token', { grant_type: 'refresh_token', client_id: 'ma_official_gifts', refresh_token: refresh });
        if (answer.status === 200) refresh = answer.body.refresh_token as string;
        return answer;
      };
      for (let i = 0; i < 25; i += 1) expect((await send()).status).to.equal(200);
      const refused = await send();
      expect([refused.status, refused.body.error, refused.body.window]).to.deep.equal([429, 'rate_limit_exceeded', '1 hour']);
      // It was not spent by being refused.
      server.clock.advance(180_000);
      expect((await send()).status).to.equal(200);
    });

    /** The rows above have taken days. */
    const signInAgain = async (): Promise<void> => {
      tokens.store = await firstPartyToken(server.url, 'syt_alice', 'tmcp_store');
      tokens.bob = await firstPartyToken(server.url, 'syt_bob', 'tmcp_store');
    };

    it('count each user and client apart: another goes on', async () => {
      await signInAgain();
      await until429(sends.storage_batch!, 13);
      expect((await sends.storage_batch!()).status).to.equal(429);
      expect((await call(server.url, 'POST', '/api/v1/storage/batch/get', { token: tokens.bob!, body: { keys: ['a'] } })).status).to.equal(200);
    });

    it('are refused in the form of section 11.4.4', async () => {
      const { status, body } = await sends.storage_batch!();
      expect(status).to.equal(429);
      expect(body.error).to.deep.include({ code: 'RATE_LIMIT_EXCEEDED', message: 'Too many requests', retry_after: 6, limit: 10, window: '1 minute' });
      expect(body.error).to.include.keys('timestamp', 'request_id');
    });

    it('are told on every answer, also on errors, and any origin may read them', async () => {
      const answers = {
        ok: await call(server.url, 'GET', '/api/v1/version'),
        unknown: await call(server.url, 'GET', '/no/such/path'),
        method: await call(server.url, 'PUT', '/api/v1/version'),
        invalid: await call(server.url, 'GET', '/api/v1/store/apps?limit=x'),
        refused: await call(server.url, 'GET', '/api/v1/client/installed', { token: 'tep.no' }),
        anonymous: await call(server.url, 'GET', '/api/v1/client/installed'),
        grant: await exchange(server.url, 'syt_nobody', { audience: 'tmcp_store' }),
        introspect: await postForm(server, '/oauth2/introspect', { token: 'x' }),
        jwks: await call(server.url, 'GET', '/oauth2/jwks'),
        developer: await tokenRequest(server, { grant_type: 'refresh_token', refresh_token: 'rt_dev_no' }),
      };
      for (const [what, { headers }] of Object.entries(answers)) {
        for (const name of ['limit', 'remaining', 'reset', 'reset-after', 'burst', 'burst-remaining']) expect(headers.get(`x-ratelimit-${name}`), `${what}: ${name}`).to.match(/^\d+$/);
        expect(headers.get('access-control-expose-headers'), what).to.contain('X-RateLimit-Remaining');
      }
      expect((await call(server.url, 'GET', '/health/live')).headers.get('x-ratelimit-limit')).to.equal(null);
    });

    it('count refused credentials for their address', async function () {
      this.timeout(60_000);
      await signInAgain();
      const { before, refused } = await until429(() => call(server.url, 'GET', '/api/v1/client/installed', { token: 'tep.no.no.no' }), 1200);
      expect(before).to.be.within(1090, 1101);
      expect(refused.body.error.code).to.equal('RATE_LIMIT_EXCEEDED');
      // What would cost a question to somebody else is not asked any more.
      expect((await call(server.url, 'GET', '/api/v1/auth/grants', { token: 'syt_alice' })).status).to.equal(429);
      expect((await call(server.url, 'GET', '/api/v1/client/installed', { token: tokens.bob! })).status).to.equal(200);
      server.clock.advance(60_000);
      expect((await call(server.url, 'GET', '/api/v1/auth/grants', { token: 'syt_alice' })).status).to.equal(200);
    });

    it('do not count what administrators register as developers\'', async () => {
      for (let i = 0; i < 7; i += 1) expect((await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { ...app, name: `App ${i}` } })).status).to.equal(201);
    });
  });

  it('refuse guesses at the developers\' endpoints like those at the others, and together with them', async () => {
    const server = await startWholeServer(sqlite, { TMCP_RATE_LIMITS_OAUTH_FAILURES_PER_MINUTE: '4' });
    try {
      server.clock.freeze();
      for (let i = 0; i < 2; i += 1) expect((await tokenRequest(server, { grant_type: 'refresh_token', refresh_token: `rt_dev_${i}` })).status).to.equal(400);
      for (let i = 0; i < 2; i += 1) expect((await exchange(server.url, 'syt_nobody', { audience: 'tmcp_store' })).status).to.equal(401);
      await new Promise((resolve) => setImmediate(resolve));
      const refused = await tokenRequest(server, { grant_type: 'refresh_token', refresh_token: 'rt_dev_x' });
      expect([refused.status, refused.body.error]).to.deep.equal([429, 'rate_limit_exceeded']);
      expect((await exchange(server.url, 'syt_nobody', { audience: 'tmcp_store' })).status).to.equal(429);
    } finally {
      await server.close();
    }
  });

  it('limit developers\' tokens by who they are for', async () => {
    const server = await startWholeServer(sqlite, { TMCP_RATE_LIMITS_TOKEN_GENERATION: '2/1m', TMCP_RATE_LIMITS_TOKEN_REFRESH: '1/1h', TMCP_DEVELOPERS_WHITELIST: '@dana:example.org,@erin:example.org' });
    try {
      server.clock.freeze();
      for (const name of ['dana', 'erin']) server.identity.whoami.set(`syt_${name}`, { user_id: `@${name}:example.org`, is_guest: false });
      const signIn = (name: string) => tokenRequest(server, { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: `syt_${name}`, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
      const first = await signIn('dana');
      expect([first.status, (await signIn('dana')).status, (await signIn('dana')).status, (await signIn('erin')).status]).to.deep.equal([200, 200, 429, 200]);
      const again = await tokenRequest(server, { grant_type: 'refresh_token', refresh_token: first.body.refresh_token as string });
      expect(again.status).to.equal(200);
      expect((await tokenRequest(server, { grant_type: 'refresh_token', refresh_token: again.body.refresh_token as string })).status).to.equal(429);
    } finally {
      await server.close();
    }
  });

  for (const [trusted, statuses] of [['127.0.0.1', [200, 200, 429]], ['', [200, 429, 429]]] as const) {
    it(`count a forwarded address ${trusted === '' ? 'not at all from anybody' : 'from a trusted proxy'}`, async () => {
      const server = await startWholeServer(sqlite, { TMCP_RATE_LIMITS_PUBLIC: '1/1m', ...(trusted === '' ? {} : { TMCP_SERVER_TRUSTED_PROXIES: trusted }) });
      try {
        server.clock.freeze();
        const from = async (address: string): Promise<number> => (await call(server.url, 'GET', '/api/v1/version', { headers: { 'x-forwarded-for': address } })).status;
        expect([await from('192.0.2.1'), await from('192.0.2.2'), await from('192.0.2.1')]).to.deep.equal(statuses);
      } finally {
        await server.close();
      }
    });
  }

  it('count an IPv6 network as one address', async () => {
    const limits = createLimits({ store: createMemoryStore(new TestClock()), clock: new TestClock(), enabled: true, policies: { general: { algorithm: 'sliding_window', limit: 1, windowMs: 60_000, burst: 0 } }, suspensions: {} as never, suspendAfter: {} });
    const from = (address: string): Promise<string> => requestContext.run({ requestId: 'r', address }, () => limits.takeAddress('general').then(() => 'let in', (error: AppError) => error.code));
    expect([await from('2001:db8:1:2:aaaa::1'), await from('2001:db8:1:2:bbbb::2'), await from('2001:db8:1:3::1'), await from('::ffff:192.0.2.1'), await from('192.0.2.1')]).to.deep.equal(['let in', 'RATE_LIMIT_EXCEEDED', 'let in', 'let in', 'RATE_LIMIT_EXCEEDED']);
  });
});

onBothDatabases('suspension on abuse (section 11.4.5)', (databases) => {
  let server: WholeServer;
  const tokens: Record<string, string> = {};
  before(async () => {
    server = await startWholeServer(databases, { TMCP_RATE_LIMITS_BALANCE_QUERY: '1/20m', TMCP_RATE_LIMITS_SUSPENSION_SECONDS: '1800' });
    for (const name of ['alice', 'bob', 'carol']) server.identity.whoami.set(`syt_${name}`, { user_id: `@${name}:example.org`, is_guest: false });
    for (const name of ['alice', 'bob', 'carol']) tokens[name] = await firstPartyToken(server.url, `syt_${name}`, 'tmcp_p2p');
    tokens.aliceStore = await firstPartyToken(server.url, 'syt_alice', 'tmcp_store');
    server.clock.freeze();
  });
  after(() => server.close());

  const balance = (name: string): Promise<ApiResponse> => call(server.url, 'GET', '/wallet/v1/balance', { token: tokens[name]! });
  const admin = (method: string, path: string, body?: object): Promise<ApiResponse> => call(server.url, method, path, { token: server.adminToken, ...(body === undefined ? {} : { body }) });
  /** Once let in, then refused ten times: the tenth refusal suspends. */
  async function abuse(name: string): Promise<void> {
    await balance(name);
    for (let i = 0; i < 10; i += 1) expect((await balance(name)).status).to.equal(429);
  }
  const audited = (action: string) => server.database.sql<{ action: string; target: string; details: string }>('audit_entry').where({ action });

  it('comes with the tenth violation in an hour, for this user and client, and says until when, why and where to appeal', async () => {
    await abuse('alice');
    const { status, body } = await balance('alice');
    expect(status).to.equal(403);
    expect(body.error).to.deep.include({ code: 'ACCOUNT_SUSPENDED', message: 'Account temporarily suspended due to abuse', reason: 'repeated_rate_limit_violations', suspended_until: new Date(server.clock.now() + 1_800_000).toISOString(), appeal_url: `${server.url}/api/v1/appeals` });
    expect((await call(server.url, 'GET', '/api/v1/client/installed', { token: tokens.aliceStore! })).status).to.equal(200);
    expect((await balance('bob')).status).not.to.equal(403);
    expect(await audited('account.suspended')).to.have.length(1);
  });

  it('gives no new tokens for the two, and others as before', async () => {
    const same = await exchange(server.url, 'syt_alice', { audience: 'tmcp_p2p' });
    expect([same.status, same.body.error, same.body.reason]).to.deep.equal([403, 'access_denied', 'repeated_rate_limit_violations']);
    expect((await exchange(server.url, 'syt_alice', { audience: 'tmcp_store' })).status).to.equal(200);
  });

  it('ends by itself, and the audit log says so', async () => {
    server.clock.advance(1_800_000);
    expect((await balance('alice')).status).not.to.equal(403);
    const { jobs } = server.app;
    const recording = await jobs.maintenance!.run({} as never);
    await server.database.inTransaction(async (tx) => recording!(tx));
    expect((await audited('account.reinstated')).map(({ target }) => target)).to.deep.equal(['@alice:example.org']);
    expect(await server.database.sql('suspension')).to.deep.equal([]);
  });

  it('can be appealed against with the user\'s own Matrix token, and lifted by an administrator', async () => {
    await abuse('carol');
    const appeal = await call(server.url, 'POST', '/api/v1/appeals', { token: 'syt_carol', body: { message: 'A loop in my client. Sorry.' } });
    expect([appeal.status, appeal.body.status, appeal.body.client_id]).to.deep.equal([201, 'open', 'tmcp_p2p']);
    expect((await admin('GET', '/admin/v1/suspensions')).body.suspensions).to.have.length(1);
    expect((await admin('GET', '/admin/v1/appeals')).body.appeals).to.deep.equal([appeal.body]);
    const verdict = await admin('POST', `/admin/v1/appeals/${appeal.body.appeal_id as string}/verdict`, { verdict: 'lifted' });
    expect([verdict.status, verdict.body.status, verdict.body.decided_by]).to.deep.equal([200, 'lifted', 'root']);
    expect((await balance('carol')).status).not.to.equal(403);
    expect((await admin('POST', `/admin/v1/appeals/${appeal.body.appeal_id as string}/verdict`, { verdict: 'upheld' })).status).to.equal(404);
    const notices = await server.database.sql<{ kind: string; body: string }>('job').where('body', 'like', '%suspen%');
    expect(notices.map(({ body }) => /suspended through tmcp_p2p until|was lifted/.exec(body)?.[0]).filter((one) => one !== undefined).length).to.be.greaterThan(2);
  });

  it('is appealed against only by who is suspended; decided only by administrators', async () => {
    expect((await call(server.url, 'POST', '/api/v1/appeals', { token: 'syt_bob', body: { message: 'Why?' } })).status).to.equal(404);
    expect((await call(server.url, 'POST', '/api/v1/appeals', { token: tokens.bob!, body: { message: 'Why?' } })).status).to.equal(401);
    expect((await call(server.url, 'POST', '/api/v1/appeals', { body: { message: 'Why?' } })).status).to.equal(401);
    expect((await call(server.url, 'GET', '/admin/v1/appeals', { token: tokens.bob! })).status).to.equal(403);
    expect((await call(server.url, 'POST', '/admin/v1/appeals/apl_x/verdict', { token: 'syt_bob', body: { verdict: 'lifted' } })).status).to.equal(401);
  });
});
