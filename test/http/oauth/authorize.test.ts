import { expect } from 'chai';
import { answerOf, authorizeUrl, Browser, formOf, linksOf, newPkce, redirectUri, signIn, type Page, type Pkce } from './browser.ts';
import { onEachDatabase } from './databases.ts';
import { alice, basic, bob, createWorld, hour, limits, me, postForm, secrets, type Answer, type Instance, type World } from './support.ts';

onEachDatabase('authorization code', (fresh) => {
  let world: World;
  let browser: Browser;
  let pkce: Pkce;
  beforeEach(async () => {
    world = await createWorld(await fresh());
    browser = new Browser(world.issuer);
    pkce = newPkce();
  });
  afterEach(() => world.close());

  const redeem = (code: string | undefined, more: Record<string, string> = {}, instance: Instance = world.first, headers: Record<string, string> = {}): Promise<Answer> =>
    postForm(`${instance.url}/oauth2/token`, { grant_type: 'authorization_code', code: String(code), redirect_uri: redirectUri, code_verifier: pkce.verifier, ...(headers.authorization === undefined ? { client_id: 'ma_game' } : {}), ...more }, headers);
  const authorize = (changes: Record<string, string | undefined> = {}): Promise<Page> => browser.go(authorizeUrl(world, pkce, changes));
  /** A code for alice, who agrees to everything. */
  const codeFor = async (changes: Record<string, string | undefined> = {}, username = 'alice'): Promise<string> => {
    let page = await authorize(changes);
    if (page.text.includes('name="password"')) page = await signIn(world, browser, page, username);
    if (page.location === undefined) page = await browser.submit(page, { decision: 'approve', scope: (changes.scope ?? '').split(' ').filter((scope) => page.text.includes(`value="${scope}"`)) });
    const { code } = answerOf(page);
    expect(code).to.be.a('string');
    return code!;
  };
  const expectInvalidGrant = ({ status, body }: Answer) => expect([status, body.error]).to.deep.equal([400, 'invalid_grant']);

  it('leads from signing in over consent to tokens', async () => {
    const signInPage = await authorize({ scope: 'user:read storage:read wallet:pay' });
    expect(signInPage.status).to.equal(200);
    const consent = await signIn(world, browser, signInPage);
    expect(consent.status).to.equal(200);
    expect(consent.text).to.contain('A mini-app').and.contain(alice).and.contain('See your name and picture').and.contain('Ask you to confirm payments');
    const back = await browser.submit(consent, { decision: 'approve', scope: ['user:read', 'wallet:pay'] });
    const answer = answerOf(back);
    expect(answer).to.have.all.keys('code', 'state', 'iss');
    expect(answer).to.include({ state: 'the-state', iss: world.issuer });
    const { status, body, headers } = await redeem(answer.code);
    expect(status).to.equal(200);
    expect(body).to.have.all.keys('access_token', 'token_type', 'expires_in', 'refresh_token', 'scope', 'user_id', 'wallet_id');
    expect(body).to.include({ token_type: 'Bearer', expires_in: 86_400, scope: 'user:read storage:read wallet:pay', user_id: alice });
    expect(headers.get('cache-control')).to.equal('no-store');
    const principal = (await me(world.first, body.access_token)).body;
    expect(principal).to.include({ userId: alice, clientId: 'ma_game', audience: 'ma_game', origin: 'authorization_code', provenBy: 'sign_in', firstParty: false, privileged: false });
    const refreshed = await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', client_id: 'ma_game', refresh_token: String(body.refresh_token) });
    expect([refreshed.status, refreshed.body.scope]).to.deep.equal([200, 'user:read storage:read wallet:pay']);
    world.clock.advance(29 * 24 * hour);
    expect((await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', client_id: 'ma_game', refresh_token: String(refreshed.body.refresh_token) })).status).to.equal(200);
  });

  describe('the code', () => {
    it('is redeemed at another instance', async () => {
      const other = await world.startInstance();
      expect((await redeem(await codeFor(), {}, other)).status).to.equal(200);
    });

    it('counts once; used again it takes back what it gave', async () => {
      const code = await codeFor();
      const { body } = await redeem(code);
      expectInvalidGrant(await redeem(code));
      expect((await me(world.first, body.access_token)).status).to.equal(401);
      expectInvalidGrant(await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', client_id: 'ma_game', refresh_token: String(body.refresh_token) }));
    });

    it('used twice at the same moment gives nothing that lasts', async () => {
      const rival = await world.startRival();
      for (let round = 0; round < 4; round += 1) {
        const code = await codeFor();
        const answers = await Promise.all([redeem(code), redeem(code, {}, rival)]);
        const given = answers.filter(({ status }) => status === 200);
        expect(given.length).to.be.lessThan(2);
        for (const answer of answers.filter(({ status }) => status !== 200)) expectInvalidGrant(answer);
        world.clock.advance(1_000);
        for (const { body } of given) expect((await me(world.first, body.access_token)).status).to.equal(401);
      }
    });

    it('ends after a minute', async () => {
      const code = await codeFor();
      world.clock.advance(60_000);
      expectInvalidGrant(await redeem(code));
    });

    it('leaves no session when it is not redeemed', async () => {
      await codeFor();
      world.clock.advance(3 * 60_000);
      const grants = await fetch(`${world.first.url}/api/v1/auth/grants`, { headers: { authorization: 'Bearer syt_alice' } });
      expect(await grants.json()).to.deep.equal({ grants: [] });
    });

    const wrong: Record<string, Record<string, string>> = {
      'another verifier': { code_verifier: newPkce().verifier },
      'no verifier': { code_verifier: '' },
      'another redirect URI': { redirect_uri: 'https://app.example/other' },
      'another client': { client_id: 'ma_other' },
    };
    for (const [what, more] of Object.entries(wrong)) {
      it(`is nothing to ${what}, and lives on`, async () => {
        const code = await codeFor();
        expectInvalidGrant(await redeem(code, more));
        expect((await redeem(code)).status).to.equal(200);
      });
    }

    it('of a confidential client needs its secret as well', async () => {
      const code = await codeFor({ client_id: 'ma_shop_backend' });
      const without = await redeem(code, { client_id: 'ma_shop_backend' });
      expect([without.status, without.body.error]).to.deep.equal([401, 'invalid_client']);
      expect((await redeem(code, {}, world.first, basic('ma_shop_backend', secrets.shop))).status).to.equal(200);
    });

    it('is stored as a hash', async () => {
      const code = await codeFor();
      const stored = JSON.stringify([await world.first.database.sql('oidc_entry').select('*'), await world.first.database.sql('browser_session').select('*')]);
      expect(stored).not.to.contain(code);
      for (const [name, { value }] of browser.cookies) expect(stored, name).not.to.contain(value);
    });
  });

  describe('the request', () => {
    const tellsTheApp: Record<string, [Record<string, string | undefined>, string]> = {
      'no challenge': [{ code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
      'the method plain': [{ code_challenge_method: 'plain' }, 'invalid_request'],
      'no method, which means plain': [{ code_challenge_method: undefined }, 'invalid_request'],
      'a challenge that is none': [{ code_challenge: 'short' }, 'invalid_request'],
      'the implicit flow': [{ response_type: 'token' }, 'invalid_request'],
      'the hybrid flow': [{ response_type: 'code id_token' }, 'invalid_request'],
      'a scope that is not registered': [{ scope: 'storage:read wallet:history' }, 'invalid_scope'],
      'a scope that is none': [{ scope: 'nonsense' }, 'invalid_scope'],
      'a privileged scope': [{ scope: 'wallet:admin' }, 'invalid_scope'],
      'a bad context': [{ miniapp_context: '{' }, 'invalid_request'],
      'prompt=none without a session': [{ prompt: 'none' }, 'login_required'],
    };
    for (const [what, [changes, error]] of Object.entries(tellsTheApp)) {
      it(`with ${what} is refused, with iss and state`, async () => {
        const answer = answerOf(await authorize(changes));
        expect(answer).to.include({ error, iss: world.issuer, state: 'the-state' });
        expect(answer).not.to.have.property('code');
      });
    }

    const staysHere: Record<string, Record<string, string | undefined>> = {
      'another redirect URI': { redirect_uri: 'https://evil.example/cb' },
      'a longer path': { redirect_uri: 'https://app.example/cb/../evil' },
      'a path that only begins so': { redirect_uri: 'https://app.example/cb2' },
      'a query': { redirect_uri: 'https://app.example/cb?x=1' },
      'a fragment': { redirect_uri: 'https://app.example/cb#x' },
      'credentials in it': { redirect_uri: 'https://app.example@evil.example/cb' },
      'another spelling': { redirect_uri: 'https://APP.example/cb' },
      'another scheme': { redirect_uri: 'http://app.example/cb' },
      'another port': { redirect_uri: 'https://app.example:8443/cb' },
      'no redirect URI': { redirect_uri: undefined },
      'an unknown client': { client_id: 'ma_nobody' },
      'a suspended client': { client_id: 'ma_suspended' },
      'a first-party audience': { client_id: 'tmcp_wallet' },
      'no client': { client_id: undefined },
    };
    for (const [what, changes] of Object.entries(staysHere)) {
      it(`with ${what} stays here`, async () => {
        const page = await authorize(changes);
        expect([page.status, page.location]).to.deep.equal([400, undefined]);
        expect(page.headers.get('content-type')).to.equal('text/html; charset=utf-8');
        expect(page.headers.get('content-security-policy')).to.contain("frame-ancestors 'none'");
        expect(page.text).not.to.contain('evil.example/cb"');
      });
    }

    for (const mode of ['fragment', 'form_post', 'web_message']) {
      it(`gives nothing by response_mode=${mode}`, async () => {
        const page = await authorize({ response_mode: mode });
        expect(page.location ?? '').not.to.contain('code=');
        expect(page.text).not.to.contain('<script');
        expect(page.text).not.to.contain('name="password"');
      });
    }

    it('repeated in part is refused', async () => {
      const page = await browser.go(`${authorizeUrl(world, pkce)}&scope=wallet:pay`);
      expect(answerOf(page).error).to.equal('invalid_request');
    });

    it('without a scope gets what needs no asking', async () => {
      expect((await redeem(await codeFor({ scope: undefined }))).body.scope).to.equal('storage:read storage:write');
    });

    it('for the homeserver\'s scopes too gets ours', async () => {
      expect((await redeem(await codeFor({ scope: 'openid urn:matrix:org.matrix.msc2967.client:api:* storage:read' }))).body.scope).to.equal('storage:read');
    });

    it('carries the context of the launch', async () => {
      const { body } = await redeem(await codeFor({ miniapp_context: '{"launch_source":"chat_bubble"}' }));
      expect((await me(world.first, body.access_token)).body.context).to.deep.equal({ launch_source: 'chat_bubble' });
    });

    it('that is posted is none', async () => {
      expect((await browser.post('/oauth2/authorize', { client_id: 'ma_game' })).status).to.equal(405);
    });
  });

  it('refuses a room that the user may not name (decision D22)', async () => {
    const other = await world.startInstance({ mayNameRoom: () => Promise.resolve(false) });
    const elsewhere = new Browser(other.url);
    const url = authorizeUrl(world, pkce, { miniapp_context: '{"room_id":"!secret:example.org"}' }).replace(world.issuer, other.url);
    // The library's redirects name the issuer, which is the first instance: step by step, then, at the second.
    await elsewhere.request(url);
    await signIn(world, browser, await authorize());
    for (const [name, cookie] of browser.cookies) elsewhere.cookies.set(name, cookie);
    const page = await elsewhere.request(url);
    expect(answerOf(page).error).to.equal('access_denied');
  });

  it('is for owners only before approval (decision D23)', async () => {
    expect(await codeFor({ client_id: 'ma_draft' })).to.be.a('string');
    browser = new Browser(world.issuer);
    const page = await signIn(world, browser, await authorize({ client_id: 'ma_draft' }), 'bob');
    expect(answerOf(page).error).to.equal('access_denied');
  });

  describe('consent', () => {
    const scope = 'user:read wallet:pay storage:read';

    it('is remembered: the second time nobody is asked', async () => {
      await codeFor({ scope });
      const page = await authorize({ scope });
      expect(answerOf(page)).to.have.property('code');
      expect((await redeem(answerOf(page).code)).body.scope).to.equal(scope);
    });

    it('also counts for token exchange, and the other way round', async () => {
      await codeFor({ scope });
      const exchanged = await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', client_id: 'ma_game', subject_token: 'syt_alice', subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', scope });
      expect([exchanged.status, exchanged.body.scope]).to.deep.equal([200, scope]);
    });

    it('asks only for what is new', async () => {
      await codeFor({ scope: 'user:read' });
      const page = await authorize({ scope });
      expect(page.text).to.contain('value="wallet:pay"').and.not.contain('value="user:read"');
      expect(page.text).to.contain('See your name and picture');
    });

    it('prompt=none gives a code where nobody need be asked, and consent_required elsewhere', async () => {
      await codeFor({ scope: 'user:read' });
      expect(answerOf(await authorize({ scope: 'user:read', prompt: 'none' }))).to.have.property('code');
      expect(answerOf(await authorize({ scope, prompt: 'none' })).error).to.equal('consent_required');
    });

    it('of a part gives that part, and remembers the rest as denied', async () => {
      const page = await signIn(world, browser, await authorize({ scope }));
      const { code } = answerOf(await browser.submit(page, { decision: 'approve', scope: ['user:read'] }));
      expect((await redeem(code)).body.scope).to.equal('user:read storage:read');
      expect(await world.first.database.sql('scope_grant').where({ scope: 'wallet:pay' }).pluck('state')).to.deep.equal(['denied']);
    });

    it('that is refused tells the app so', async () => {
      const page = await signIn(world, browser, await authorize({ scope }));
      const answer = answerOf(await browser.submit(page, { decision: 'deny', scope: ['user:read'] }));
      expect(answer).to.include({ error: 'access_denied', iss: world.issuer, state: 'the-state' });
      expect(await world.first.database.sql('scope_grant').pluck('state')).to.deep.equal(['denied', 'denied']);
    });

    it('of nothing at all, where nothing is left, is a refusal', async () => {
      const page = await signIn(world, browser, await authorize({ scope: 'wallet:pay' }));
      expect(answerOf(await browser.submit(page, { decision: 'approve' })).error).to.equal('access_denied');
    });

    it('can not be given to more than was asked', async () => {
      const page = await signIn(world, browser, await authorize({ scope: 'user:read' }));
      const answer = await browser.submit(page, { decision: 'approve', scope: ['user:read', 'wallet:pay'] });
      expect([answer.status, answer.location]).to.deep.equal([400, undefined]);
      expect(await world.first.database.sql('scope_grant').select('*')).to.deep.equal([]);
    });

    const changed = (token: string): string => `${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`;
    const forgeries: Record<string, (page: Page) => [Record<string, string>, Record<string, string>]> = {
      'without its token': () => [{ csrf_token: '' }, { origin: world.issuer }],
      'with a token of another browser': (page) => [{ csrf_token: changed(formOf(page).csrfToken) }, { origin: world.issuer }],
      'from another origin': (page) => [{ csrf_token: formOf(page).csrfToken }, { origin: 'https://evil.example' }],
      'from a frame without an origin': (page) => [{ csrf_token: formOf(page).csrfToken }, { origin: 'null' }],
    };
    for (const [what, forge] of Object.entries(forgeries)) {
      it(`posted ${what} is refused`, async () => {
        const page = await signIn(world, browser, await authorize({ scope: 'user:read' }));
        const [fields, headers] = forge(page);
        const answer = await browser.post(formOf(page).action, { decision: 'approve', scope: 'user:read', ...fields }, headers);
        expect([answer.status, answer.location]).to.deep.equal([403, undefined]);
        expect(await world.first.database.sql('scope_grant').select('*')).to.deep.equal([]);
      });
    }

    it('is for the browser that asked', async () => {
      const page = await signIn(world, browser, await authorize({ scope: 'user:read' }));
      const thief = new Browser(world.issuer);
      await signIn(world, thief, await thief.go(authorizeUrl(world, pkce)), 'bob');
      const answer = await thief.go(page.url);
      expect([answer.status, answer.location]).to.deep.equal([400, undefined]);
    });

    it('is not for whoever signs in meanwhile', async () => {
      const page = await signIn(world, browser, await authorize({ scope: 'user:read' }));
      await signIn(world, browser, await browser.go(linksOf(page).find((href) => href.startsWith('/oauth2/sign-in'))!), 'bob');
      const answer = await browser.submit(page, { decision: 'approve', scope: ['user:read'] });
      expect([answer.status, answer.location]).to.deep.equal([400, undefined]);
      expect(await world.first.database.sql('scope_grant').where({ user_id: bob }).select('*')).to.deep.equal([]);
    });

    it('can be given as somebody else, who is signed in then', async () => {
      const page = await signIn(world, browser, await authorize({ scope: 'user:read' }));
      const again = await signIn(world, browser, await browser.go(linksOf(page).find((href) => href.startsWith('/oauth2/sign-in'))!), 'bob');
      expect(again.text).to.contain(bob);
      const { code } = answerOf(await browser.submit(again, { decision: 'approve', scope: ['user:read'] }));
      expect((await redeem(code)).body.user_id).to.equal(bob);
    });

    it('answered too often is slowed down', async () => {
      await world.close();
      const fresher = await fresh();
      world = await createWorld(fresher, { limits: limits(3) });
      browser = new Browser(world.issuer);
      const page = await signIn(world, browser, await authorize({ scope: 'user:read' }));
      for (let i = 0; i < 3; i += 1) expect((await browser.submit(page, { decision: 'approve', scope: ['wallet:pay'] })).status).to.equal(400);
      const slowed = await browser.submit(page, { decision: 'approve', scope: ['user:read'] });
      expect(slowed.status).to.equal(429);
      expect(Number(slowed.headers.get('retry-after'))).to.be.within(1, 60);
    });
  });

  it('asks to sign in again for prompt=login', async () => {
    await codeFor();
    const page = await authorize({ prompt: 'login' });
    expect(page.text).to.contain('name="password"');
    expect(answerOf(await signIn(world, browser, page))).to.have.property('code');
  });
});
