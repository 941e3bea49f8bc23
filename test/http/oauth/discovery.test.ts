import { expect } from 'chai';
import * as client from 'openid-client';
import { Browser, redirectUri, signIn } from './browser.ts';
import { databaseKinds, opener } from './databases.ts';
import { accessTokenType, alice, call, createWorld, me, secrets, tokenExchange, type World } from './support.ts';

describe('discovery, and a client library that is not ours', () => {
  let world: World;
  before(async () => {
    world = await createWorld(opener(await databaseKinds[0]!.create()));
  });
  after(() => world.close());

  it('describes only what is there, at both places', async () => {
    const [openid, oauth] = await Promise.all(['openid-configuration', 'oauth-authorization-server'].map((name) => call(`${world.first.url}/.well-known/${name}`)));
    expect(openid!.body).to.deep.equal(oauth!.body);
    expect(openid!.body.issuer).to.equal(world.issuer);
    for (const [name, value] of Object.entries(openid!.body)) {
      if (!name.endsWith('_endpoint') && name !== 'jwks_uri') continue;
      const { status } = await fetch(String(value), { method: name === 'jwks_uri' ? 'GET' : 'POST' });
      expect(status, name).not.to.equal(404);
    }
    expect(openid!.body.grant_types_supported).to.deep.equal(['authorization_code', 'refresh_token', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code', tokenExchange]);
  });

  it('leaves other paths alone', async () => {
    for (const path of ['/', '/oauth2', '/oauth2/token/', '/oauth2/auth/x', '/oauth2/library-jwks', '/oauth2/auth', '/request', '/me', '/session/end', '/constructor', '//oauth2/token', '/__proto__']) {
      const response = await fetch(world.first.url + path, { method: 'POST' });
      expect(response.status, path).to.equal(404);
      expect(await response.text(), path).to.contain('Cannot POST');
    }
  });

  it('answers preflights and errors to any origin, without credentials', async () => {
    const headers = { origin: 'https://app.example' };
    const preflight = await call(`${world.first.url}/oauth2/token`, { method: 'OPTIONS', headers: { ...headers, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' } });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin'), preflight.headers.get('access-control-allow-headers')]).to.deep.equal([204, '*', 'Authorization, Content-Type']);
    for (const path of ['/oauth2/token', '/oauth2/introspect', '/oauth2/revoke', '/oauth2/consent']) {
      const refused = await call(world.first.url + path, { method: 'POST', headers });
      expect(refused.status, path).to.be.within(400, 401);
      expect(refused.headers.get('access-control-allow-origin'), path).to.match(/^(\*|https:\/\/app\.example)$/);
      expect(refused.headers.has('access-control-allow-credentials'), path).to.equal(false);
    }
  });

  it('lets openid-client exchange, refresh, introspect and revoke', async () => {
    for (const [clientId, auth] of [
      ['ma_game', client.None()],
      ['ma_shop_backend', client.ClientSecretBasic(secrets.shop)],
      ['ma_server', client.ClientSecretPost(secrets.server)],
    ] as const) {
      const config = await client.discovery(new URL(world.issuer), clientId, undefined, auth, { execute: [client.allowInsecureRequests], algorithm: 'oauth2' });
      const tokens = await client.genericGrantRequest(config, tokenExchange, { subject_token: 'syt_alice', subject_token_type: accessTokenType });
      expect(tokens).to.include({ token_type: 'bearer', expires_in: 86_400, user_id: alice });
      const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token!);
      expect((await client.tokenIntrospection(config, refreshed.access_token)).active).to.equal(true);
      await client.tokenRevocation(config, refreshed.refresh_token!);
      expect((await client.tokenIntrospection(config, refreshed.access_token)).active).to.equal(false);
      expect((await me(world.first, refreshed.access_token)).status).to.equal(401);
    }
  });

  describe('openid-client', () => {
    const discover = (clientId: string, auth: client.ClientAuth) => client.discovery(new URL(world.issuer), clientId, undefined, auth, { execute: [client.allowInsecureRequests], algorithm: 'oauth2' });
    const scope = 'user:read storage:read';

    for (const [kind, clientId, auth] of [
      ['public', 'ma_game', client.None()],
      ['confidential', 'ma_server', client.ClientSecretPost(secrets.server)],
    ] as const) {
      it(`completes the authorization code flow of a ${kind} client`, async () => {
        const config = await discover(clientId, auth);
        const verifier = client.randomPKCECodeVerifier();
        const state = client.randomState();
        const url = client.buildAuthorizationUrl(config, { redirect_uri: redirectUri, scope, state, code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' });
        const browser = new Browser(world.issuer);
        const page = await signIn(world, browser, await browser.go(url.href));
        const back = page.location === undefined ? await browser.submit(page, { decision: 'approve', scope: ['user:read'] }) : page;
        const tokens = await client.authorizationCodeGrant(config, new URL(back.location!), { pkceCodeVerifier: verifier, expectedState: state });
        expect(tokens).to.include({ token_type: 'bearer', scope, user_id: alice });
        const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token!);
        expect((await me(world.first, refreshed.access_token)).body.userId).to.equal(alice);
        await client.tokenRevocation(config, refreshed.refresh_token!);
        expect((await me(world.first, refreshed.access_token)).status).to.equal(401);
      });
    }

    it('completes the device flow', async () => {
      const config = await discover('ma_other', client.None());
      const started = await client.initiateDeviceAuthorization(config, { scope });
      expect(started.interval).to.equal(5);
      const browser = new Browser(world.issuer);
      const page = await signIn(world, browser, await browser.go(started.verification_uri_complete!));
      const question = await browser.submit(page, { user_code: started.user_code });
      await browser.submit(question, { user_code: started.user_code, decision: 'approve', scope: ['user:read'] });
      const tokens = await client.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:device_code', { device_code: started.device_code });
      expect(tokens).to.include({ token_type: 'bearer', scope, user_id: alice });
    });

    it('completes client credentials', async () => {
      const config = await discover('ma_server', client.ClientSecretBasic(secrets.server));
      const tokens = await client.clientCredentialsGrant(config, { scope: 'storage:read' });
      expect(await client.tokenIntrospection(config, tokens.access_token)).to.include({ active: true, sub: 'ma_server', scope: 'storage:read' });
    });
  });
});
