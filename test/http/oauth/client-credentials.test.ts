import { expect } from 'chai';
import { onEachDatabase } from './databases.ts';
import { alice, basic, call, createWorld, exchange, hour, me, postForm, secrets, type Answer, type World } from './support.ts';

type Json = Record<string, unknown>;
const claimsOf = (token: unknown): Json => JSON.parse(Buffer.from(String(token).split('.')[2]!, 'base64url').toString()) as Json;

onEachDatabase('client credentials', (fresh) => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld(await fresh());
  });
  afterEach(() => world.close());

  const ask = (clientId: string, secret: string, more: Record<string, string> = {}): Promise<Answer> =>
    postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials', ...more }, basic(clientId, secret));
  const backend = (token: unknown): Promise<Answer> => call(`${world.first.url}/api/v1/backend`, { headers: { authorization: `Bearer ${String(token)}` } });
  const expectError = ({ status, body }: Answer, expectedStatus: number, error: string) => expect([status, body.error]).to.deep.equal([expectedStatus, error]);

  for (const [clientId, secret, miniappId] of [
    ['ma_server', secrets.server, 'ma_server'],
    ['ma_shop_backend', secrets.shop, 'ma_shop'],
  ] as const) {
    it(`gives ${clientId} a token of its own, without a user`, async () => {
      const { status, body, headers } = await ask(clientId, secret);
      expect(status).to.equal(200);
      expect(body).to.have.all.keys('access_token', 'token_type', 'expires_in', 'scope');
      expect(body).to.include({ token_type: 'Bearer', expires_in: 3600, scope: 'user:read storage:read storage:write wallet:pay' });
      expect(headers.get('cache-control')).to.equal('no-store');
      expect(claimsOf(body.access_token)).to.include({ iss: world.issuer, sub: clientId, aud: miniappId, client_id: clientId, azp: clientId, token_type: 'tep_client_token' });
      const answer = await backend(body.access_token);
      expect([answer.status, answer.body.clientId, answer.body.miniappId]).to.deep.equal([200, clientId, miniappId]);
    });
  }

  it('is refused where a user is wanted', async () => {
    const { body } = await ask('ma_server', secrets.server);
    const answer = await me(world.first, body.access_token);
    expect([answer.status, answer.body.code]).to.deep.equal([401, 'INVALID_TOKEN']);
  });

  it('is not taken from a user\'s token, nor the other way round', async () => {
    const user = (await exchange(world.first, { client_id: 'ma_shop_backend', client_secret: secrets.shop, subject_token: 'syt_alice' })).body;
    expect((await backend(user.access_token)).status).to.equal(401);
    expect((await me(world.first, user.access_token)).body.userId).to.equal(alice);
  });

  it('never is for a client that is called like a user', async () => {
    world.clients.set(alice, { ...world.clients.get('ma_server')!, clientId: alice });
    for (const headers of [basic(encodeURIComponent(alice), secrets.server), {}]) {
      const fields = { grant_type: 'client_credentials', ...('authorization' in headers ? {} : { client_id: alice, client_secret: secrets.server }) };
      expectError(await postForm(`${world.first.url}/oauth2/token`, fields, headers), 401, 'invalid_client');
    }
  });

  it('is for clients with a secret, and with the right one', async () => {
    expectError(await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials', client_id: 'ma_game' }), 400, 'unauthorized_client');
    expectError(await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials', client_id: 'tmcp_wallet' }), 400, 'invalid_request');
    expectError(await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials', client_id: 'ma_server' }), 401, 'invalid_client');
    expectError(await ask('ma_server', secrets.shop), 401, 'invalid_client');
    expectError(await ask('ma_game', secrets.shop), 401, 'invalid_client');
  });

  it('has the scopes that were asked, all of them registered', async () => {
    expect((await ask('ma_server', secrets.server, { scope: 'storage:read' })).body.scope).to.equal('storage:read');
    for (const scope of ['storage:read wallet:history', 'wallet:admin', 'nonsense']) expectError(await ask('ma_server', secrets.server, { scope }), 400, 'invalid_scope');
    expectError(await ask('ma_server', secrets.server, { resource: 'https://elsewhere.example' }), 400, 'invalid_target');
  });

  it('ends after its hour', async () => {
    world.clock.freeze();
    const { body } = await ask('ma_server', secrets.server);
    world.clock.advance(hour - 1000);
    expect((await backend(body.access_token)).status).to.equal(200);
    world.clock.advance(1000);
    expect((await backend(body.access_token)).status).to.equal(401);
  });

  it('is introspected and revoked by its client only', async () => {
    const { access_token: token } = (await ask('ma_server', secrets.server)).body as { access_token: string };
    const post = (path: string, value: string, headers: Record<string, string>) => postForm(`${world.first.url}/oauth2/${path}`, { token: value }, headers);
    for (const spelling of [token, token.slice('tep.'.length)]) {
      expect((await post('introspect', spelling, basic('ma_server', secrets.server))).body).to.include({ active: true, sub: 'ma_server', client_id: 'ma_server', aud: 'ma_server' });
    }
    expect((await post('introspect', token, basic('ma_shop_backend', secrets.shop))).body).to.deep.equal({ active: false });
    expect((await post('revoke', token, basic('ma_shop_backend', secrets.shop))).status).to.equal(200);
    expect((await backend(token)).status).to.equal(200);
    expect((await post('revoke', token, basic('ma_server', secrets.server))).status).to.equal(200);
    expect((await backend(token)).status).to.equal(401);
    expect((await post('introspect', token, basic('ma_server', secrets.server))).body).to.deep.equal({ active: false });
  });

  it('ends with its mini-app, within a second on other instances, and not with a user', async () => {
    const other = await world.startInstance();
    const token = (await ask('ma_shop_backend', secrets.shop)).body.access_token;
    const there = () => call(`${other.url}/api/v1/backend`, { headers: { authorization: `Bearer ${String(token)}` } });
    expect((await there()).status).to.equal(200);
    const revoke = (which: Parameters<typeof world.first.oauth.revokeSessions>[1]) => world.first.database.inTransaction((tx) => world.first.oauth.revokeSessions(tx, which));
    await revoke({ userId: alice });
    await revoke({ userId: alice, miniappId: 'ma_shop' });
    expect((await backend(token)).status).to.equal(200);
    await revoke({ miniappId: 'ma_shop' });
    expect((await backend(token)).status).to.equal(401);
    world.clock.advance(1_000);
    expect((await there()).status).to.equal(401);
  });

  it('has no refresh token, and is none', async () => {
    const { body } = await ask('ma_server', secrets.server);
    expectError(await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', refresh_token: String(body.access_token) }, basic('ma_server', secrets.server)), 400, 'invalid_grant');
  });
});
