import { expect } from 'chai';
import { call, exchange, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { claimsOf, exchangeAs, idOf, isGood, outcome, signIn, startPlatform, tokenRequest } from './support.ts';

onBothDatabases('the developer whitelist (specification section 4.4.8)', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startPlatform(databases, ['dana', 'erin']);
  });
  after(() => server.close());

  const add = (body: unknown) => call(server.url, 'POST', '/admin/developers/whitelist', { token: server.adminToken, body });
  const remove = (person: string, query = '') => call(server.url, 'DELETE', `/admin/developers/${encodeURIComponent(idOf(person))}${query}`, { token: server.adminToken });
  const revoke = (person: string, body: unknown = {}) => call(server.url, 'POST', `/admin/v1/developers/${encodeURIComponent(idOf(person))}/revoke`, { token: server.adminToken, body });
  const list = (query = ''): Promise<ApiResponse> => call(server.url, 'GET', `/admin/developers/whitelist${query}`, { token: server.adminToken });

  it('has those whom the configuration lists, and says so', async () => {
    const { developers, pagination } = (await list()).body;
    expect((developers as { developer_id: string; added_by: string }[]).map((one) => [one.developer_id, one.added_by])).to.deep.equal([
      [idOf('dana'), 'config'],
      [idOf('erin'), 'config'],
    ]);
    expect(pagination).to.deep.equal({ total: 2, limit: 100, offset: 0, has_more: false });
    expect((await list('?limit=1')).body.pagination).to.deep.equal({ total: 2, limit: 1, offset: 0, has_more: true });
    expect((await list('?limit=1&offset=1')).body.developers[0].developer_id).to.equal(idOf('erin'));
  });

  it('takes in whom an administrator adds, with who, when and why; adding again changes nothing', async () => {
    expect((await exchangeAs(server, 'frank')).status).to.equal(403);
    const added = await add({ matrix_user_id: idOf('frank'), reason: 'Met in person' });
    expect(added.status).to.equal(201);
    expect(added.body).to.include({ developer_id: idOf('frank'), status: 'active', added_by: 'admin:root', reason: 'Met in person' });
    expect(Math.abs(Date.parse(added.body.added_at as string) - server.clock.now())).to.be.below(10_000);
    expect((await exchangeAs(server, 'frank')).status).to.equal(200);
    const again = await add({ matrix_user_id: idOf('frank'), reason: 'Another reason' });
    expect([again.status, again.body]).to.deep.equal([200, added.body]);
  });

  const wrong: Record<string, [unknown, string]> = {
    'no user id': [{}, 'matrix_user_id'],
    'no Matrix user id': [{ matrix_user_id: 'frank' }, 'matrix_user_id'],
    'one with a space': [{ matrix_user_id: '@fr ank:example.org' }, 'matrix_user_id'],
    'an unknown field': [{ matrix_user_id: '@x:example.org', role: 'admin' }, 'role'],
    'an empty reason': [{ matrix_user_id: '@x:example.org', reason: '' }, 'reason'],
  };
  for (const [what, [body, field]] of Object.entries(wrong)) {
    it(`does not take in ${what}`, async () => {
      const { status, body: answer } = await add(body);
      expect(status).to.equal(400);
      expect(answer.error.details[0].field).to.equal(field);
    });
  }

  it('ends every token of whom it loses with the next request, and brings none back', async () => {
    await add({ matrix_user_id: idOf('grace') });
    const first = await signIn(server, 'grace');
    const second = await signIn(server, 'grace');
    const others = await signIn(server, 'dana');
    const removed = await remove('grace', '?reason=Left%20the%20company');
    expect(removed.status).to.equal(200);
    expect(removed.body).to.include({ developer_id: idOf('grace'), status: 'removed', revoked_sessions: 2 });
    for (const { access, refresh } of [first, second]) {
      expect(await isGood(server, access)).to.equal(false);
      expect(outcome(await tokenRequest(server, { grant_type: 'refresh_token', refresh_token: refresh }))).to.deep.equal([403, 'developer_not_whitelisted']);
    }
    expect(outcome(await exchangeAs(server, 'grace'))).to.deep.equal([403, 'developer_not_whitelisted']);
    expect(await isGood(server, others.access)).to.equal(true);
    expect(await server.database.sql('developer_whitelist').where({ user_id: idOf('grace') }).first('state', 'changed_by', 'reason')).to.deep.equal({ state: 'removed', changed_by: 'admin:root', reason: 'Left the company' });
    expect(outcome(await remove('grace'))).to.deep.equal([404, 'NOT_FOUND']);

    await add({ matrix_user_id: idOf('grace') });
    expect(await isGood(server, first.access)).to.equal(false);
    expect(outcome(await tokenRequest(server, { grant_type: 'refresh_token', refresh_token: first.refresh }))).to.deep.equal([400, 'invalid_grant']);
    expect(await isGood(server, (await signIn(server, 'grace')).access)).to.equal(true);
  });

  it('stays as it is when only the tokens are revoked', async () => {
    const { access, refresh } = await signIn(server, 'erin');
    const others = await signIn(server, 'dana');
    const revoked = await revoke('erin', { reason: 'Laptop stolen' });
    expect(revoked.status).to.equal(200);
    expect(revoked.body).to.include({ developer_id: idOf('erin'), revoked_sessions: 1 });
    expect(await isGood(server, access)).to.equal(false);
    expect(outcome(await tokenRequest(server, { grant_type: 'refresh_token', refresh_token: refresh }))).to.deep.equal([400, 'invalid_grant']);
    expect(await isGood(server, (await signIn(server, 'erin')).access)).to.equal(true);
    expect(await isGood(server, others.access)).to.equal(true);
    expect(outcome(await revoke('nobody'))).to.deep.equal([404, 'NOT_FOUND']);
  });

  it('follows the configuration at each start, but never against an administrator', async () => {
    const url = await databases.createUrl();
    const sameDatabase = { ...databases, createUrl: () => Promise.resolve(url) };
    const start = (...developers: ('dana' | 'erin' | 'frank')[]) => startPlatform(sameDatabase, developers);
    const listed = async (one: WholeServer): Promise<string[]> => ((await call(one.url, 'GET', '/admin/developers/whitelist', { token: one.adminToken })).body.developers as { developer_id: string }[]).map(({ developer_id: id }) => id);

    let now = await start('dana', 'erin');
    await call(now.url, 'DELETE', `/admin/developers/${idOf('dana')}`, { token: now.adminToken });
    await call(now.url, 'POST', '/admin/developers/whitelist', { token: now.adminToken, body: { matrix_user_id: idOf('frank') } });
    await now.close();
    now = await start('dana', 'erin');
    expect(await listed(now)).to.deep.equal([idOf('erin'), idOf('frank')]);
    await now.close();
    now = await start('dana');
    expect(await listed(now)).to.deep.equal([idOf('frank')]);
    await now.close();
    now = await start('dana', 'erin');
    expect(await listed(now)).to.deep.equal([idOf('erin'), idOf('frank')]);
    await now.close();
  });

  if (databases.dialect === 'postgres') {
    it('is one for all instances: who is removed at one is out at the other', async () => {
      const url = await databases.createUrl();
      const sameDatabase = { ...databases, createUrl: () => Promise.resolve(url) };
      const one = await startPlatform(sameDatabase, ['dana']);
      const other = await startWholeServer(sameDatabase, { TMCP_SERVER_PUBLIC_URL: one.url, TMCP_DEVELOPERS_WHITELIST: idOf('dana') });
      const { access } = await signIn(one, 'dana');
      expect([await isGood(one, access), await isGood(other, access)]).to.deep.equal([true, true]);
      await call(one.url, 'DELETE', `/admin/developers/${idOf('dana')}`, { token: one.adminToken });
      expect([await isGood(one, access), await isGood(other, access)]).to.deep.equal([false, false]);
      await other.close();
      await one.close();
    });
  }

  it('wins against sign-ins at the same moment: of those before it and beside it nothing works, even when the user is back', async () => {
    await signIn(server, 'erin');
    for (let round = 0; round < 8; round += 1) {
      const [removed, ...answers] = await Promise.all([remove('erin'), exchangeAs(server, 'erin'), exchangeAs(server, 'erin'), exchangeAs(server, 'erin')]);
      expect(removed.status).to.equal(200);
      await add({ matrix_user_id: idOf('erin') });
      for (const { body } of answers.filter(({ status }) => status === 200)) expect(await isGood(server, body.access_token as string)).to.equal(false);
    }
  });

  it('takes with it what an owner had of an app that is not in the store yet (decision D23)', async () => {
    const { access } = await signIn(server, 'dana');
    const registered = await call(server.url, 'POST', '/mini-apps/v1/register', { token: access, body: { name: 'Draft', technical: { entry_url: 'https://a.example' } } });
    const client_id = registered.body.miniapp_id as string;
    const owners = await exchange(server.url, 'syt_dana', { client_id });
    expect(owners.status).to.equal(200);
    const refresh = () => exchange(server.url, 'syt_dana', { grant_type: 'refresh_token', client_id, refresh_token: owners.body.refresh_token as string });
    await remove('dana');
    const session = await server.database.sql('tep_session').where({ id: claimsOf(owners.body.access_token as string).session_id }).first<{ revoked_at: number | null }>();
    expect(session.revoked_at).to.be.a('number');
    expect((await refresh()).status).to.equal(401);
    expect((await exchange(server.url, 'syt_dana', { client_id })).status).to.equal(401);
  });
});
