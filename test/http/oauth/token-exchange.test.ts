import { expect } from 'chai';
import { isReservedAudience } from '../../../src/oauth/index.ts';
import { onEachDatabase } from './databases.ts';
import { alice, basic, bob, createWorld, exchange, me, openIdTokenType, postForm, secrets, tokenExchange, accessTokenType, type World } from './support.ts';

onEachDatabase('token exchange', (fresh) => {
  let world: World;
  before(async () => {
    world = await createWorld(await fresh());
  });
  after(() => world.close());

  describe('for the host client itself (decision D2)', () => {
    const firstParty = ['user:read', 'storage:read', 'storage:write'];
    const wallet = ['wallet:balance', 'wallet:pay', 'wallet:history', 'wallet:request'];
    const fixed = { tmcp_store: firstParty, tmcp_p2p: [...firstParty, ...wallet], tmcp_wallet: [...firstParty, ...wallet] };
    for (const [audience, scopes] of Object.entries(fixed)) {
      it(`gives ${audience} its fixed scopes for an hour and no refresh token`, async () => {
        const { status, body, headers } = await exchange(world.first, { audience, subject_token: 'syt_alice' });
        expect(status).to.equal(200);
        expect(headers.get('cache-control')).to.equal('no-store');
        expect(body).to.include({ token_type: 'Bearer', issued_token_type: 'urn:tmcp:params:oauth:token-type:tep', expires_in: 3600, scope: scopes.join(' '), user_id: alice, delegated_session: true });
        expect(body).not.to.have.any.keys('refresh_token', 'matrix_access_token', 'id_token');
        const principal = await me(world.first, body.access_token);
        expect(principal.body).to.deep.include({ userId: alice, clientId: audience, audience, firstParty: true, scopes, provenBy: 'whoami', origin: 'token_exchange', deviceId: 'ALICEDEVICE', privileged: false });
        expect(isReservedAudience(audience)).to.equal(true);
      });
    }

    it('narrows to what was asked for, wildcards included', async () => {
      const { body } = await exchange(world.first, { audience: 'tmcp_p2p', subject_token: 'syt_alice', scope: 'storage:* wallet:balance' });
      expect(body.scope).to.equal('storage:read storage:write wallet:balance');
    });

    for (const scope of ['wallet:admin', 'messaging:send', 'openid', 'wallet:pay']) {
      it(`refuses ${scope} for tmcp_store`, async () => {
        const { status, body } = await exchange(world.first, { audience: 'tmcp_store', subject_token: 'syt_alice', scope: `user:read ${scope}` });
        expect(status).to.equal(400);
        expect(body).to.include({ error: 'invalid_scope', scope });
      });
    }

    it('refuses an OpenID token, which any mini-app may hold', async () => {
      world.identity.openId.set('openid_store', alice);
      const { status, body } = await exchange(world.first, { audience: 'tmcp_store', subject_token: 'openid_store', subject_token_type: openIdTokenType });
      expect([status, body.error]).to.deep.equal([400, 'unauthorized_client']);
    });

    it('refuses a request that names a mini-app beside it', async () => {
      const { status, body } = await exchange(world.first, { audience: 'tmcp_wallet', client_id: 'ma_game', subject_token: 'syt_alice' });
      expect([status, body.error]).to.deep.equal([400, 'invalid_request']);
    });

    it('refuses a request that authenticates as a mini-app', async () => {
      const withHeader = await exchange(world.first, { audience: 'tmcp_wallet', subject_token: 'syt_alice' }, basic('ma_server', secrets.server));
      expect([withHeader.status, withHeader.body.error]).to.deep.equal([400, 'invalid_request']);
      const withSecret = await exchange(world.first, { audience: 'tmcp_wallet', client_secret: secrets.server, subject_token: 'syt_alice' });
      expect([withSecret.status, withSecret.body.error]).to.deep.equal([401, 'invalid_client']);
    });

    it('gives no refresh token to be used either', async () => {
      const { status, body } = await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', client_id: 'tmcp_store', refresh_token: 'rt_x' });
      expect([status, body.error]).to.deep.equal([400, 'invalid_request']);
    });
  });

  describe('for a mini-app', () => {
    it('answers as sections 3.1.2 and 4.3.1 say', async () => {
      const { status, body } = await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice', requested_token_type: 'urn:tmcp:params:oauth:token-type:tep' });
      expect(status).to.equal(200);
      expect(body).to.include({ token_type: 'Bearer', expires_in: 86_400, scope: 'storage:read storage:write', user_id: alice, delegated_session: true });
      expect(body.wallet_id).to.match(/^tw_/);
      expect(body.refresh_token).to.match(/^rt_/);
      expect(body).not.to.have.any.keys('matrix_access_token', 'matrix_expires_in', 'preapproved_scopes', 'privileged');
      expect((await me(world.first, body.access_token)).body).to.deep.include({ userId: alice, clientId: 'ma_game', audience: 'ma_game', firstParty: false, walletId: body.wallet_id });
    });

    it('may be named by audience', async () => {
      const { status, body } = await exchange(world.first, { audience: 'ma_game', subject_token: 'syt_alice' });
      expect(status).to.equal(200);
      expect((await me(world.first, body.access_token)).body.clientId).to.equal('ma_game');
    });

    it('keeps the same wallet id for the user, and another for others', async () => {
      const wallets = [];
      for (const [client_id, subject_token] of [
        ['ma_game', 'syt_alice'],
        ['ma_other', 'syt_alice_2'],
        ['ma_game', 'syt_bob'],
      ] as const) {
        wallets.push((await exchange(world.first, { client_id, subject_token })).body.wallet_id);
      }
      expect(wallets[0]).to.equal(wallets[1]);
      expect(wallets[0]).not.to.equal(wallets[2]);
    });

    it('gives an official app user:read silently and says so (section 16.9)', async () => {
      const { status, body } = await exchange(world.first, { client_id: 'ma_official', subject_token: 'syt_alice', scope: 'user:read storage:read' });
      expect(status).to.equal(200);
      expect(body).to.deep.include({ scope: 'user:read storage:read', preapproved_scopes: ['user:read', 'storage:read'], privileged: false });
    });

    for (const scope of ['messaging:send', 'storage:everything', 'openid', 'urn:matrix:org.matrix.msc2967.client:api:*']) {
      it(`refuses ${scope}, which it did not register, and names it`, async () => {
        const { status, body } = await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice', scope: `storage:read ${scope}` });
        expect(status).to.equal(400);
        expect(body).to.deep.equal({ error: 'invalid_scope', error_description: `Requested scope '${scope}' not registered for this mini-app`, scope });
      });
    }

    it('refuses privileged scopes here, even registered ones', async () => {
      const { status, body } = await exchange(world.first, { client_id: 'ma_official', subject_token: 'syt_alice', scope: 'wallet:admin' });
      expect([status, body.error]).to.deep.equal([400, 'invalid_scope']);
    });

    it('refuses a client_id and an audience that disagree', async () => {
      const { status, body } = await exchange(world.first, { client_id: 'ma_game', audience: 'ma_other', subject_token: 'syt_alice' });
      expect([status, body.error]).to.deep.equal([400, 'invalid_request']);
    });

    it('keeps miniapp_context for the claims', async () => {
      const context = { room_id: '!room:example.org', launch_source: 'chat_bubble' };
      const { body } = await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice', miniapp_context: JSON.stringify(context) });
      expect((await me(world.first, body.access_token)).body.context).to.deep.equal(context);
    });

    const badContexts = { 'text that is not JSON': '{', 'a list': '[]', null: 'null', 'a bad room id': '{"room_id":"nowhere"}', 'more than 4 KiB': JSON.stringify({ x: 'x'.repeat(4096) }) };
    for (const [what, miniapp_context] of Object.entries(badContexts)) {
      it(`refuses ${what} as miniapp_context`, async () => {
        const { status, body } = await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice', miniapp_context });
        expect([status, body.error]).to.deep.equal([400, 'invalid_request']);
      });
    }

    it('refuses a room that the user may not name', async () => {
      const asked: string[] = [];
      const other = await world.startInstance({ mayNameRoom: (userId, roomId) => Promise.resolve(asked.push(`${userId} ${roomId}`) === 0) });
      const { status, body } = await exchange(other, { client_id: 'ma_game', subject_token: 'syt_alice', miniapp_context: '{"room_id":"!secret:example.org"}' });
      expect([status, body.error]).to.deep.equal([403, 'access_denied']);
      expect(asked).to.deep.equal([`${alice} !secret:example.org`]);
    });

    it('puts the profile into user_context with user:read only', async () => {
      const other = await world.startInstance({ profileOf: () => Promise.resolve({ displayName: 'Alice', avatarUrl: undefined }) });
      const claims = (answer: { body: Record<string, unknown> }) => JSON.parse(Buffer.from(String(answer.body.access_token).split('.')[2]!, 'base64url').toString()) as Record<string, unknown>;
      expect(claims(await exchange(other, { client_id: 'ma_official', subject_token: 'syt_alice', scope: 'user:read' })).user_context).to.deep.equal({ display_name: 'Alice' });
      expect(claims(await exchange(other, { client_id: 'ma_official', subject_token: 'syt_alice', scope: 'storage:read' }))).not.to.have.property('user_context');
    });
  });

  describe('client authentication', () => {
    const asShop = { client_id: 'ma_shop_backend', subject_token: 'syt_alice' };

    it('takes client_secret_post, client_secret_basic, and a secret that is being replaced', async () => {
      const audiences = [];
      for (const [fields, headers] of [
        [{ ...asShop, client_secret: secrets.shop }, {}],
        [{ ...asShop, client_secret: secrets.shopOld }, {}],
        [{ subject_token: 'syt_alice' }, basic('ma_shop_backend', secrets.shop)],
        [{ subject_token: 'syt_alice', audience: 'ma_shop' }, basic('ma_shop_backend', secrets.shop)],
      ] as const) {
        const { body } = await exchange(world.first, fields, headers);
        const principal = (await me(world.first, body.access_token)).body;
        audiences.push([principal.clientId, principal.audience]);
      }
      expect(audiences).to.deep.equal(Array.from({ length: 4 }, () => ['ma_shop_backend', 'ma_shop']));
    });

    const refused: Record<string, [Record<string, string>, Record<string, string>]> = {
      'a confidential client without its secret': [asShop, {}],
      'a confidential client, named by audience, without its secret': [{ audience: 'ma_server', subject_token: 'syt_alice' }, {}],
      'a wrong secret': [{ ...asShop, client_secret: secrets.server }, {}],
      'the hash of the secret': [{ ...asShop, client_secret: 'placeholder' }, {}],
      'the library\'s placeholder': [{ ...asShop, client_secret: 'kept as a hash' }, {}],
      'another client\'s secret': [{ subject_token: 'syt_alice' }, basic('ma_shop_backend', secrets.server)],
      'a public client with a secret': [{ client_id: 'ma_game', client_secret: secrets.shop, subject_token: 'syt_alice' }, {}],
      'an unknown client': [{ client_id: 'ma_nobody', subject_token: 'syt_alice' }, {}],
      'a suspended client': [{ client_id: 'ma_suspended', subject_token: 'syt_alice' }, {}],
    };
    for (const [what, [fields, headers]] of Object.entries(refused)) {
      it(`answers 401 to ${what}`, async () => {
        const { status, body } = await exchange(world.first, fields, headers);
        expect([status, body.error]).to.deep.equal([401, 'invalid_client']);
      });
    }

    it('refuses two ways at once', async () => {
      const { status, body } = await exchange(world.first, { ...asShop, client_secret: secrets.shop }, basic('ma_shop_backend', secrets.shop));
      expect([status, body.error]).to.deep.equal([400, 'invalid_request']);
    });

    it('lets only the owner use an app before approval (decision D23)', async () => {
      expect((await exchange(world.first, { client_id: 'ma_draft', subject_token: 'syt_alice' })).status).to.equal(200);
      const stranger = await exchange(world.first, { client_id: 'ma_draft', subject_token: 'syt_bob' });
      expect([stranger.status, stranger.body.error]).to.deep.equal([401, 'invalid_client']);
    });

    it('stops serving an owner who no longer is one', async () => {
      const { body } = await exchange(world.first, { client_id: 'ma_draft', subject_token: 'syt_alice' });
      const draft = world.clients.get('ma_draft')!;
      world.clients.set('ma_draft', { ...draft, owners: [bob] });
      const refreshed = await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', client_id: 'ma_draft', refresh_token: String(body.refresh_token) });
      expect([refreshed.status, refreshed.body.error]).to.deep.equal([400, 'invalid_grant']);
      world.clients.set('ma_draft', draft);
    });
  });

  describe('malformed requests', () => {
    const good = { grant_type: tokenExchange, client_id: 'ma_game', subject_token: 'syt_alice', subject_token_type: accessTokenType };
    const token = () => `${world.first.url}/oauth2/token`;
    const changed: Record<string, Record<string, string>> = {
      'no subject_token': { ...good, subject_token: '' },
      'no subject_token_type': { ...good, subject_token_type: '' },
      'a refresh token as subject': { ...good, subject_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'a JWT as subject': { ...good, subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
      'another requested_token_type': { ...good, requested_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
      'an actor': { ...good, actor_token: 'x', actor_token_type: accessTokenType },
      'no client at all': { ...good, client_id: '' },
    };
    for (const [what, fields] of Object.entries(changed)) {
      it(`answers 400 to ${what}`, async () => {
        const { status, body } = await postForm(token(), fields);
        expect([status, body.error]).to.deep.equal([400, 'invalid_request']);
      });
    }

    it('refuses a resource indicator rather than ignore it', async () => {
      const { status, body } = await postForm(token(), { ...good, resource: 'https://elsewhere.example' });
      expect([status, body.error]).to.deep.equal([400, 'invalid_target']);
    });

    it('refuses repeated parameters', async () => {
      for (const name of ['subject_token', 'client_id', 'scope', 'audience']) {
        const form = new URLSearchParams({ ...good, scope: 'storage:read', audience: 'ma_game' });
        form.append(name, 'ma_game');
        const response = await fetch(token(), { method: 'POST', body: form });
        expect([response.status, ((await response.json()) as { error: string }).error]).to.deep.equal([400, 'invalid_request'], name);
      }
    });

    it('refuses a JSON body and one beyond 56 KiB', async () => {
      const json = await fetch(token(), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(good) });
      expect([json.status, ((await json.json()) as { error: string }).error]).to.deep.equal([400, 'invalid_request']);
      const large = await postForm(token(), { ...good, miniapp_context: 'x'.repeat(60 * 1024) });
      expect([large.status, large.body.error]).to.deep.equal([400, 'invalid_request']);
    });

    it('knows no implicit or password grant', async () => {
      for (const grant_type of ['implicit', 'password', 'urn:ietf:params:oauth:grant-type:jwt-bearer']) {
        const { status, body } = await postForm(token(), { ...good, grant_type });
        expect([status, body.error]).to.deep.equal([400, 'unsupported_grant_type'], grant_type);
      }
    });

    it('answers JSON to a browser too, and 405 to GET', async () => {
      const html = await postForm(token(), { ...good, subject_token: 'wrong' }, { accept: 'text/html' });
      expect([html.status, html.body.error]).to.deep.equal([401, 'invalid_grant']);
      expect((await fetch(token())).status).to.equal(405);
    });
  });

  it('replaces the earlier session of the same Matrix token and client, and no other (section 4.9.3)', async () => {
    const other = (await exchange(world.first, { client_id: 'ma_other', subject_token: 'syt_alice' })).body;
    const first = (await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice' })).body;
    expect((await me(world.first, first.access_token)).status).to.equal(200);
    const second = (await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice' })).body;
    expect((await me(world.first, first.access_token)).status).to.equal(401);
    expect((await me(world.first, second.access_token)).status).to.equal(200);
    expect((await me(world.first, other.access_token)).status).to.equal(200);
    const old = await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', client_id: 'ma_game', refresh_token: String(first.refresh_token) });
    expect([old.status, old.body.error]).to.deep.equal([400, 'invalid_grant']);
  });

  it('leaves one live session of many exchanges at once, on two instances', async () => {
    const second = await world.startRival();
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => exchange(i % 2 === 0 ? world.first : second, { client_id: 'ma_game', subject_token: 'syt_alice_2' })));
    expect(answers.map((answer) => answer.status)).to.deep.equal(Array.from({ length: 12 }, () => 200));
    world.clock.advance(1_000);
    const alive = await Promise.all(answers.map((answer) => me(world.first, answer.body.access_token)));
    expect(alive.map((answer) => answer.status).sort()).to.deep.equal([200, ...Array.from({ length: 11 }, () => 401)]);
  });

  it('stores and logs no token or secret', async () => {
    const { body } = await exchange(world.first, { client_id: 'ma_shop_backend', client_secret: secrets.shop, subject_token: 'syt_alice' });
    await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_unknown_token' });
    const { sql } = world.first.database;
    const stored = [];
    for (const table of ['oidc_entry', 'tep_session', 'wallet_identity', 'spent_token', 'scope_grant', 'consent_request', 'signing_key']) stored.push(await sql(table).select('*'));
    const everything = JSON.stringify(stored) + world.log.lines.join('\n');
    for (const secret of ['syt_alice', 'syt_unknown_token', secrets.shop, String(body.refresh_token), String(body.access_token).split('.')[3]!, 'PRIVATE KEY']) {
      expect(everything).not.to.contain(secret);
    }
  });
});
