import { expect } from 'chai';
import { call, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { day, exchangeAs, foundWith, outcome, signIn, startPlatform } from '../developers/support.ts';
import { act, asked, authorize, newPayer, newShop, refund, signatureOver, type Shop } from '../payments/support.ts';

const hour = 3_600_000;

onBothDatabases('analytics of a mini-app', (databases) => {
  let server: WholeServer;
  let shop: Shop;
  let orgApp: string;
  let firstDay: string;
  before(async () => {
    server = await startPlatform(databases, ['dana', 'erin', 'frank'], { TMCP_ANALYTICS_MIN_PEOPLE: '3', TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false' });
    // Well within a day: none of what follows crosses midnight by itself.
    const intoDay = server.clock.now() % day;
    if (intoDay < hour) server.clock.advance(hour - intoDay);
    if (intoDay > 18 * hour) server.clock.advance(day - intoDay + hour);
    firstDay = new Date(server.clock.now()).toISOString().slice(0, 10);
    for (const name of people) server.identity.whoami.set(`syt_${name}`, { user_id: `@${name}:example.org`, is_guest: false });
    const dana = await signIn(server, 'dana');
    shop = await newShop(server, 'x', { token: dana.access, approve: false });
    const orgId = await foundWith(server, dana, { erin: { tokens: await signIn(server, 'erin'), role: 'viewer' } });
    orgApp = (await call(server.url, 'POST', '/mini-apps/v1/register', { token: dana.access, body: { name: 'Chess', organization_id: orgId, technical: { entry_url: 'https://chess.example' } } })).body.miniapp_id as string;
    await play();
  });
  after(() => server.close());

  const people = ['ann', 'ben', 'cat', 'dan'];
  const store = async (name: string, method: string, what: string, body: object = {}): Promise<void> => {
    const { status, body: answer } = await call(server.url, method, `/api/v1/store/apps/${shop.id}/${what}`, { token: await firstPartyToken(server.url, `syt_${name}`, 'tmcp_store'), body });
    expect(status, JSON.stringify(answer)).to.be.lessThan(300);
  };
  const tokenOf = async (name: string): Promise<string> => (await signIn(server, name)).access;
  const admin = async (): Promise<string> => (await server.app.admins.issue('root', day, { kind: 'system', id: 'test' })).token;
  const ask = async (name: string, query = '', id = shop.id): Promise<ApiResponse> => call(server.url, 'GET', `/mini-apps/v1/${id}/analytics${query}`, { token: await tokenOf(name) });

  /** Two days; the third begins. */
  async function play(): Promise<void> {
    const owner = await newPayer(server, shop, 'dana', { amount: '0' });
    await authorize(server, owner, await asked(server, owner, { amount: 400 }), 40_000);
    await call(server.url, 'POST', `/admin/v1/mini-apps/${shop.id}/approve`, { token: server.adminToken, body: {} });
    for (const name of people) await store(name, 'POST', 'install');
    await store('ann', 'POST', 'install');
    for (const name of ['ann', 'ann', 'ben', 'cat']) await store(name, 'POST', 'launch', { launch_source: 'store' });
    for (const [name, rating] of [['ann', 5], ['ben', 2]] as const) await store(name, 'PUT', 'rating', { rating });
    const payer = await newPayer(server, shop, 'ann');
    for (const amount of [12.5, 7.25]) expect((await authorize(server, payer, await asked(server, payer, { amount }), amount * 100)).status).to.equal(200);
    await asked(server, payer, { amount: 99 });
    server.clock.advance(day);
    const late = await newPayer(server, shop, 'ben', { currency: 'JPY', amount: '900' });
    const id = await asked(server, late, { amount: 900, currency: 'JPY' });
    expect((await act(server, late.appToken, id, 'authorize', signatureOver(server, late, id, 900, { currency: 'JPY' }))).status).to.equal(200);
    await refund(server, shop, id, { amount: 300 });
    await store('dan', 'DELETE', 'install');
    await store('ben', 'POST', 'launch', { launch_source: 'store' });
    await store('cat', 'PUT', 'rating', { rating: 5 });
    await server.database.sql('webhook_delivery').where({ miniapp_id: shop.id, event: 'app.installed' }).update({ state: 'delivered', settled_at: server.clock.now() });
    await server.database.sql('webhook_delivery').where({ miniapp_id: shop.id, event: 'app.uninstalled' }).update({ state: 'refused', settled_at: server.clock.now() });
    server.clock.advance(day);
  }

  it('are the numbers of what was played, day by day, and few people are not counted out', async () => {
    const { status, body } = await ask('dana', '?days=3');
    expect(status).to.equal(200);
    expect(body.period).to.deep.equal({ from: new Date(Date.parse(firstDay) - day).toISOString().slice(0, 10), to: new Date(Date.parse(firstDay) + day).toISOString().slice(0, 10), days: 3 });
    const [before, first, second] = body.days as Record<string, unknown>[];
    expect(before).to.deep.include({ installs: 0, active_users: 0, sessions: 0, ratings: { count: 0, average: 0 }, payments: [], webhooks: { delivered: 0, failed: 0, pending: 0 } });
    expect(first).to.deep.include({ date: firstDay, installs: 4, uninstalls: 0, active_users: 3, sessions: 4, ratings: { count: null, average: null } });
    expect(first!.payments).to.deep.equal([{ currency: 'USD', payments: 2, volume: 19.75, refunds: 0, refunded: 0 }]);
    expect(first!.sandbox_payments).to.deep.equal([{ currency: 'USD', payments: 1, volume: 400, refunds: 0, refunded: 0 }]);
    expect(second).to.deep.include({ installs: 0, uninstalls: null, active_users: null, sessions: null, ratings: { count: null, average: null }, sandbox_payments: [] });
    expect(second!.payments).to.deep.equal([{ currency: 'JPY', payments: 1, volume: 900, refunds: 1, refunded: 300 }]);
    expect(second!.webhooks).to.deep.include({ failed: 1 });
    expect((first!.webhooks as { delivered: number }).delivered).to.equal(4);
  });

  it('sum up to totals, in which the few are only as a group', async () => {
    const { body } = await ask('dana', '?days=2');
    const { webhooks, ...total } = body.total as { webhooks: { delivered: number; failed: number; pending: number } };
    expect(total).to.deep.equal({
      installs: 4,
      uninstalls: 0,
      sessions: 4,
      active_user_days: 3,
      // Two of the one day and one of the other are three.
      ratings: { count: 3, average: 4 },
      payments: [
        { currency: 'JPY', payments: 1, volume: 900, refunds: 1, refunded: 300 },
        { currency: 'USD', payments: 2, volume: 19.75, refunds: 0, refunded: 0 },
      ],
      sandbox_payments: [{ currency: 'USD', payments: 1, volume: 400, refunds: 0, refunded: 0 }],
    });
    expect(webhooks).to.include({ delivered: 4, failed: 1 });
    const rows = await server.database.sql('webhook_delivery').where({ miniapp_id: shop.id }).select('id');
    expect(webhooks.delivered + webhooks.failed + webhooks.pending, 'every delivery once').to.equal(rows.length);
    expect(body.current).to.deep.equal({ installed_users: 3, active_users_7d: 3, active_users_30d: 3, rating: { average: 4, count: 3 }, versions: [{ version: '1.0.0', users: 3 }] });
    expect(JSON.stringify({ ...body, miniapp_id: undefined }), 'random letters aside').to.not.match(/@|ann|ben|cat/);
  });

  it('hold sums of play money that are larger than any amount', async () => {
    const row = await server.database.sql<Record<string, unknown>>('payment').where({ sandbox: 1 }).first();
    const huge = Number.MAX_SAFE_INTEGER;
    for (let n = 0; n < 3; n += 1) await server.database.sql('payment').insert({ ...row, id: `pay_huge_${n}`, txn_id: null, amount: huge });
    const text = await (await fetch(`${server.url}/mini-apps/v1/${shop.id}/analytics?days=2`, { headers: { authorization: `Bearer ${await tokenOf('dana')}` } })).text();
    expect(text).to.contain(`"volume":${String(3n * BigInt(huge) + 40_000n).replace(/(..)$/, '.$1')}`);
    await server.database.sql('payment').where('id', 'like', 'pay_huge_%').delete();
  });

  it('are told to the developers of the app in every role, to administrators, and to nobody else', async () => {
    expect((await ask('erin', '', orgApp)).status, 'a viewer').to.equal(200);
    expect((await call(server.url, 'GET', `/mini-apps/v1/${shop.id}/analytics`, { token: await admin() })).status).to.equal(200);
    const unknown = await ask('frank', '', 'ma_no_such_app');
    expect(outcome(unknown)).to.deep.equal([404, 'MINIAPP_NOT_FOUND']);
    for (const [name, id] of [['frank', shop.id], ['frank', orgApp], ['erin', shop.id]] as const) {
      const { status, body } = await ask(name, '', id);
      expect([status, body.error.code, body.error.message], `${name} ${id}`).to.deep.equal([404, unknown.body.error.code, unknown.body.error.message]);
    }
  });

  it('are closed to mini-apps and their users, and to developers whose token was revoked', async () => {
    const path = `/mini-apps/v1/${shop.id}/analytics`;
    const userToken = await firstPartyToken(server.url, 'syt_ann', 'tmcp_store');
    expect(outcome(await call(server.url, 'GET', path, { token: userToken }))).to.deep.equal([403, 'forbidden_platform_endpoint']);
    expect(outcome(await call(server.url, 'GET', path, { headers: shop.basic }))).to.deep.equal([403, 'forbidden_platform_endpoint']);
    expect(outcome(await call(server.url, 'GET', path))).to.deep.equal([401, 'INVALID_TOKEN']);
    const { body } = await exchangeAs(server, 'dana');
    const token = body.access_token as string;
    expect((await call(server.url, 'GET', path, { token })).status).to.equal(200);
    await call(server.url, 'POST', '/admin/v1/developers/@dana:example.org/revoke', { token: await admin(), body: {} });
    expect(outcome(await call(server.url, 'GET', path, { token }))).to.deep.equal([401, 'invalid_developer_token']);
  });

  it('say what is wrong with a period', async () => {
    for (const [query, field] of [['?to=2999-01-01', 'to'], ['?from=yesterday', 'from'], ['?days=0', 'days'], ['?days=367', 'days'], ['?days=2.5', 'days'], ['?from=2026-01-01&days=3', 'days'], ['?to=1969-12-31', 'to']] as const) {
      const { status, body } = await ask('dana', query);
      expect([status, body.error.code, body.error.details[0].field], query).to.deep.equal([400, 'INVALID_REQUEST', field]);
    }
  });

  it('are there for an app that nobody has used', async () => {
    const { status, body } = await ask('dana', '?days=366', orgApp);
    expect([status, body.days.length]).to.deep.equal([200, 366]);
    expect(body.total).to.deep.include({ installs: 0, active_user_days: 0, sessions: 0, payments: [] });
  });
});
