import { expect } from 'chai';
import { call, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { Browser, linksOf, newPkce } from '../oauth/browser.ts';
import { masClient, startIdentityServers, type IdentityServers } from '../oauth/identity-servers.ts';

const redirectUri = 'https://chat.example/cb';
const roomId = '!chat:example.org';
const alice = '@alice:example.org';
const apiScope = 'urn:matrix:org.matrix.msc2967.client:api:*';
const revoking = 'matrix_grant.revoke';

onBothDatabases('messages of mini-apps as the user, by the Matrix Authentication Service (section 4.16)', (databases) => {
  let mas: IdentityServers;
  let server: WholeServer;
  let miniappId: string;
  before(async () => {
    mas = await startIdentityServers();
    server = await startWholeServer(databases, { TMCP_MAS_ISSUER: `${mas.url}/`, TMCP_MAS_CLIENT_ID: masClient.clientId, TMCP_MAS_CLIENT_SECRET: masClient.clientSecret, TMCP_MAS_ACT_FOR_USERS: 'true', TMCP_HOMESERVER_URL: mas.url, TMCP_HOMESERVER_DOMAIN: 'example.org' });
    mas.rooms.set(roomId, { members: new Set(['@_tmcp:example.org', alice]) });
    const registered = await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { name: 'Chat', technical: { entry_url: 'https://chat.example', redirect_uris: [redirectUri], scopes_requested: ['messaging:send', 'storage:read'] } } });
    miniappId = registered.body.miniapp_id as string;
    const approved = await call(server.url, 'POST', `/admin/v1/mini-apps/${miniappId}/approve`, { token: server.adminToken, body: {} });
    expect([registered.status, approved.status]).to.deep.equal([201, 200]);
  });
  after(async () => {
    await server.close();
    await mas.close();
  });
  beforeEach(() => mas.messages.clear());

  const tokenRows = () => server.database.sql('matrix_grant').select();
  /** Signs alice in by way of MAS, up to the question. Returns what MAS was asked for. */
  const begin = async (browser: Browser, pkce: { challenge: string }, scope: string): Promise<{ question: Awaited<ReturnType<Browser['go']>>; asked: string }> => {
    const request = { response_type: 'code', client_id: miniappId, redirect_uri: redirectUri, scope, state: 's', code_challenge: pkce.challenge, code_challenge_method: 'S256', miniapp_context: JSON.stringify({ room_id: roomId }) };
    const away = new URL((await browser.request(linksOf(await browser.go(`/oauth2/authorize?${new URLSearchParams(request).toString()}`))[0]!)).location!);
    const asked = away.searchParams.get('scope')!;
    mas.codes.set('code_1', { challenge: away.searchParams.get('code_challenge')!, username: 'alice', ...(asked.includes(apiScope) ? { actFor: true as const } : {}) });
    return { question: await browser.go(`/oauth2/callback?${new URLSearchParams({ state: away.searchParams.get('state')!, code: 'code_1' }).toString()}`), asked };
  };
  /** A token of the app with these scopes. */
  const open = async (scope = 'messaging:send'): Promise<string> => {
    const browser = new Browser(server.url);
    const pkce = newPkce();
    const { question } = await begin(browser, pkce, scope);
    const done = question.location === undefined ? await browser.submit(question, { decision: 'approve', scope: scope.split(' ') }) : question;
    const code = new URL(done.location!).searchParams.get('code')!;
    const response = await fetch(`${server.url}/oauth2/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'authorization_code', client_id: miniappId, code, redirect_uri: redirectUri, code_verifier: pkce.verifier }) });
    const body = (await response.json()) as { access_token: string };
    expect(response.status, JSON.stringify(body)).to.equal(200);
    return body.access_token;
  };
  let serial = 0;
  const say = (token: string, text: string, txnId = `t${(serial += 1)}`): Promise<ApiResponse> =>
    call(server.url, 'PUT', `/api/v1/matrix/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`, { token, body: { msgtype: 'm.text', body: text } });
  const senders = (): string[] => [...mas.messages.values()].map(({ sender }) => sender);
  const withdraw = async (scopes: string[]): Promise<void> => {
    mas.introspection.set('mat_alice', { active: true, scope: `openid ${apiScope}`, client_id: '01HHOST', username: 'alice', token_type: 'access_token' });
    expect((await call(server.url, 'POST', '/api/v1/auth/revoke', { token: 'mat_alice', body: { miniapp_id: miniappId, scopes } })).status).to.equal(200);
  };
  const runRevocations = async (): Promise<void> => {
    for (const body of await queued<object>(server.database, revoking)) await server.app.jobs[revoking]!.run({ id: 'job', stream: 's', kind: revoking, body, attempt: 1, createdAt: 0, unsettledSince: undefined });
  };

  it('asks MAS for no more than an identity when the app does not want to send', async () => {
    const { asked } = await begin(new Browser(server.url), newPkce(), 'storage:read');
    expect(asked).to.equal('openid');
    expect(await tokenRows()).to.deep.equal([]);
  });

  it('says it in the user\'s name, once for each transaction id, and keeps the tokens sealed', async () => {
    const token = await open();
    const { status, body } = await say(token, 'Hello', 'same');
    expect([status, body.sent_as, body.sender]).to.deep.equal([200, 'user', alice]);
    expect((await say(token, 'Hello', 'same')).body.event_id).to.equal(body.event_id);
    expect([...mas.messages.values()]).to.deep.equal([{ sender: alice, roomId, content: { msgtype: 'm.text', body: 'Hello' } }]);
    const stored = JSON.stringify(await tokenRows()) + server.log.lines.join('\n');
    for (const secret of [...mas.refreshTokens.keys(), ...mas.whoami.keys()]) expect(stored).not.to.contain(secret);
  });

  it('refreshes what has expired, once, however many ask at the same moment', async () => {
    const token = await open();
    server.clock.advance(290_000);
    const before = mas.requests.filter(({ path }) => path === '/oauth2/token').length;
    const answers = await Promise.all(Array.from({ length: 6 }, (_, n) => say(token, `number ${n}`)));
    expect(answers.map(({ status, body }) => [status, body.sent_as as string])).to.deep.equal(Array.from({ length: 6 }, () => [200, 'user']));
    expect(mas.requests.filter(({ path }) => path === '/oauth2/token').length - before).to.equal(1);
  });

  it('speaks for itself once MAS has ended the grant, and once the homeserver refuses the token', async () => {
    const token = await open();
    for (const acting of mas.whoami.keys()) if (acting.startsWith('mat_acting_')) mas.whoami.delete(acting);
    expect((await say(token, 'one')).body).to.include({ sent_as: 'miniapp', sender: `@${miniappId}:example.org` });
    expect(await tokenRows()).to.deep.equal([]);
    const again = await open();
    mas.refreshTokens.clear();
    server.clock.advance(290_000);
    expect((await say(again, 'two')).body.sent_as).to.equal('miniapp');
    expect(senders()).to.deep.equal([`@${miniappId}:example.org`, `@${miniappId}:example.org`]);
  });

  it('says that it must be tried again while MAS does not answer, and then works', async () => {
    const token = await open();
    server.clock.advance(290_000);
    const known = new Map(mas.refreshTokens);
    mas.failWith = 503;
    const refused = await say(token, 'lost?');
    mas.failWith = undefined;
    expect([refused.status, refused.body.error.code]).to.deep.equal([503, 'SERVICE_UNAVAILABLE']);
    expect(mas.refreshTokens).to.deep.equal(known);
    expect((await say(token, 'not lost')).body.sent_as).to.equal('user');
  });

  it('ends it at MAS when the user withdraws the scope, and not when another', async () => {
    await open('messaging:send storage:read');
    await withdraw(['storage:read']);
    expect(await tokenRows()).to.have.length(1);
    await withdraw(['messaging:send']);
    expect(await tokenRows()).to.deep.equal([]);
    const told = await queued<{ event: { type: string; content: { revoked_scopes: string[]; matrix_scopes: string[] } } }>(server.database, 'matrix.event');
    const matrixScopes = told.filter(({ event }) => event.type === 'm.room.tween.authorization').map(({ event: { content } }) => [content.revoked_scopes, content.matrix_scopes]);
    expect(matrixScopes.slice(-2)).to.deep.equal([[['storage:read'], []], [['messaging:send'], [apiScope]]]);
    expect(mas.refreshTokens.size).to.be.greaterThan(0);
    await runRevocations();
    expect([...mas.refreshTokens.keys()]).to.deep.equal([]);
  });

  it('keeps nothing for an app that was then not allowed to send', async () => {
    await withdraw(['messaging:send']);
    await runRevocations();
    const browser = new Browser(server.url);
    const { question } = await begin(browser, newPkce(), 'messaging:send');
    await browser.submit(question, { decision: 'deny' });
    expect(await tokenRows()).to.have.length(1);
    server.clock.advance(61 * 60_000);
    await server.app.jobs['maintenance']!.run({ id: 'job', stream: 's', kind: 'maintenance', body: {}, attempt: 1, createdAt: 0, unsettledSince: undefined }).then((recording) => (recording === undefined ? undefined : server.database.inTransaction(recording)));
    expect(await tokenRows()).to.deep.equal([]);
  });
});
