import { expect } from 'chai';
import { call, exchange, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startMas, type StandInMas } from '../../support/mas.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { Browser, linksOf, newPkce } from './browser.ts';
import { masClient } from './identity-servers.ts';

const redirectUri = 'https://chat.example/cb';
const roomId = '!chat:example.org';
const alice = '@alice:example.org';
const apiScope = 'urn:matrix:org.matrix.msc2967.client:api:*';
const deviceScope = 'urn:matrix:org.matrix.msc2967.client:device:ELEMENT123';
const revoking = 'matrix_grant.revoke';

onBothDatabases('with an authorization server in the place of the Matrix Authentication Service (decisions D1.2, sections 4.2, 4.16 and 16.10)', (databases) => {
  let mas: StandInMas;
  let server: WholeServer;
  let miniappId: string;
  const given: string[] = [];
  before(async () => {
    mas = await startMas();
    server = await startWholeServer(databases, { TMCP_MAS_ISSUER: mas.issuer, TMCP_MAS_CLIENT_ID: masClient.clientId, TMCP_MAS_CLIENT_SECRET: masClient.clientSecret, TMCP_MAS_ACT_FOR_USERS: 'true' });
    mas.callbacks.add(`${server.url}/oauth2/callback`);
    mas.onToken = (token, username) => {
      given.push(token);
      server.identity.whoami.set(token, { user_id: `@${username}:example.org`, is_guest: false });
    };
    server.identity.rooms.set(roomId, { members: new Set(['@_tmcp:example.org', alice]) });
    const registered = await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { name: 'Chat', technical: { entry_url: 'https://chat.example', redirect_uris: [redirectUri], scopes_requested: ['messaging:send', 'storage:read'] } } });
    miniappId = registered.body.miniapp_id as string;
    expect((await call(server.url, 'POST', `/admin/v1/mini-apps/${miniappId}/approve`, { token: server.adminToken, body: {} })).status).to.equal(200);
  });
  after(async () => {
    await server.close();
    await mas.close();
  });
  beforeEach(() => void given.splice(0));

  const claimsOf = (token: unknown): Record<string, unknown> => JSON.parse(Buffer.from(String(token).split('.')[2]!, 'base64url').toString()) as Record<string, unknown>;
  const outcome = ({ status, body }: ApiResponse): unknown[] => [status, body.error];

  /** Our page, MAS, our page again, the mini-app: tokens at the end. */
  const signIn = async (scope: string): Promise<Record<string, string>> => {
    const browser = new Browser(server.url);
    const pkce = newPkce();
    const request = { response_type: 'code', client_id: miniappId, redirect_uri: redirectUri, scope, state: 's', code_challenge: pkce.challenge, code_challenge_method: 'S256', miniapp_context: JSON.stringify({ room_id: roomId }) };
    const atMas = (await browser.request(linksOf(await browser.go(`/oauth2/authorize?${new URLSearchParams(request).toString()}`))[0]!)).location!;
    const page = await browser.go(await mas.visit(atMas, 'alice'));
    const done = page.location === undefined ? await browser.submit(page, { decision: 'approve', scope: scope.split(' ') }) : page;
    const code = new URL(done.location!).searchParams.get('code')!;
    const response = await fetch(`${server.url}/oauth2/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'authorization_code', client_id: miniappId, code, redirect_uri: redirectUri, code_verifier: pkce.verifier }) });
    const body = (await response.json()) as Record<string, string>;
    expect(response.status, JSON.stringify(body)).to.equal(200);
    return body;
  };

  it('signs people in, and ends there what it was given for that', async () => {
    const body = await signIn('storage:read');
    expect(body).to.include({ user_id: alice, scope: 'storage:read' });
    expect(given).to.have.length(1);
    expect(await mas.introspect(given[0]!)).to.deep.equal({ active: false });
  });

  it('takes the Matrix token of a client that signed in there, by the fields that MAS has', async () => {
    const { access_token: token } = await mas.signInToElement('alice', `openid ${apiScope} ${deviceScope}`);
    expect(await mas.introspect(token)).to.include({ active: true, username: 'alice', sub: '01HUSERALICE00000000000000', token_type: 'access_token' });
    const { status, body } = await exchange(server.url, token, { client_id: miniappId, scope: 'storage:read' });
    expect([status, body.user_id]).to.deep.equal([200, alice]);
    expect(claimsOf(body.access_token)).to.deep.include({ mas_session: { active: true }, delegated_from: 'matrix_session', matrix_session_ref: { device_id: 'ELEMENT123' } });
    expect((await exchange(server.url, token, { audience: 'tmcp_store' })).status).to.equal(200);
  });

  it('does not take what is no access token of a Matrix session: one for signing in, a refresh token, one that was ended', async () => {
    const forSigningIn = await mas.signInToElement('alice', 'openid');
    const session = await mas.signInToElement('alice', `openid ${apiScope}`);
    const ended = await mas.signInToElement('alice', `openid ${apiScope}`);
    expect((await exchange(server.url, ended.access_token, { client_id: miniappId })).status).to.equal(200);
    await mas.revoke(ended.access_token);
    for (const token of [forSigningIn.access_token, session.refresh_token, ended.access_token]) {
      expect(outcome(await exchange(server.url, token, { client_id: miniappId }))).to.deep.equal([401, 'invalid_grant']);
    }
  });

  it('speaks in the user\'s name with tokens from there, which it renews and, when the user says so, ends', async () => {
    const token = (await signIn('messaging:send')).access_token!;
    const say = (txnId: string) => call(server.url, 'PUT', `/api/v1/matrix/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`, { token, body: { msgtype: 'm.text', body: txnId } });
    expect((await say('one')).body).to.include({ sent_as: 'user', sender: alice });
    server.clock.advance(290_000);
    expect((await say('two')).body).to.include({ sent_as: 'user', sender: alice });
    expect(given).to.have.length(2);
    expect(await mas.introspect(given[1]!)).to.include({ active: true, username: 'alice' });

    const mine = await mas.signInToElement('alice', `openid ${apiScope}`);
    expect((await call(server.url, 'POST', '/api/v1/auth/revoke', { token: mine.access_token, body: { miniapp_id: miniappId } })).status).to.equal(200);
    expect((await say('three')).status).to.equal(401);
    for (const body of await queued<object>(server.database, revoking)) await server.app.jobs[revoking]!.run({ id: 'job', stream: 's', kind: revoking, body, attempt: 1, createdAt: 0, unsettledSince: undefined });
    expect(await mas.introspect(given[1]!)).to.deep.equal({ active: false });
    expect(await mas.introspect(mine.access_token)).to.include({ active: true });
  });
});
