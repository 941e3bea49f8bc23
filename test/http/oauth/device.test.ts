import { expect } from 'chai';
import { Browser, formOf, signIn, type Page } from './browser.ts';
import { onEachDatabase } from './databases.ts';
import { alice, basic, bob, call, createWorld, exchange, hour, limits, me, postForm, secrets, type Answer, type Instance, type World } from './support.ts';

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

onEachDatabase('device authorization (RFC 8628)', (fresh) => {
  let world: World;
  let browser: Browser;
  const begin = async (options: Parameters<typeof createWorld>[1] = {}): Promise<void> => {
    world = await createWorld(await fresh(), options);
    browser = new Browser(world.issuer);
  };
  beforeEach(() => begin());
  afterEach(() => world.close());

  const request = (fields: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<Answer> =>
    postForm(`${world.first.url}/oauth2/device/authorization`, { ...(headers.authorization === undefined ? { client_id: 'ma_game' } : {}), scope: 'user:read storage:read', ...fields }, headers);
  const poll = (code: unknown, fields: Record<string, string> = {}, instance: Instance = world.first): Promise<Answer> => postForm(`${instance.url}/oauth2/token`, { grant_type: deviceGrant, device_code: String(code), client_id: 'ma_game', ...fields });
  const later = async (code: unknown, fields: Record<string, string> = {}, instance: Instance = world.first): Promise<Answer> => {
    world.clock.advance(5_000);
    return poll(code, fields, instance);
  };
  const expectError = ({ status, body }: Answer, error: string) => expect([status, body.error]).to.deep.equal([400, error]);
  /** The page that asks whether this code is to be allowed. */
  const confirmation = async (userCode: unknown, username = 'alice'): Promise<Page> => {
    let page = await browser.go('/oauth2/device');
    if (page.text.includes('name="password"')) page = await signIn(world, browser, page, username);
    return browser.submit(page, { user_code: String(userCode) });
  };

  it('leads from the code on the device over the user\'s browser to tokens', async () => {
    const { status, body } = await request();
    expect(status).to.equal(200);
    expect(body).to.have.all.keys('device_code', 'user_code', 'verification_uri', 'verification_uri_complete', 'expires_in', 'interval');
    expect(body).to.include({ verification_uri: `${world.issuer}/oauth2/device`, expires_in: 900, interval: 5 });
    expect(body.user_code).to.match(/^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/);
    expectError(await poll(body.device_code), 'authorization_pending');

    const page = await confirmation(String(body.user_code).toLowerCase().replace('-', ' '));
    expect(page.text).to.contain(String(body.user_code)).and.contain('A mini-app').and.contain(alice).and.contain('See your name and picture');
    expectError(await later(body.device_code), 'authorization_pending');
    expect((await browser.submit(page, { user_code: String(body.user_code), decision: 'approve', scope: ['user:read'] })).text).to.contain('connected');

    const tokens = await later(body.device_code);
    expect(tokens.status).to.equal(200);
    expect(tokens.body).to.include({ token_type: 'Bearer', scope: 'user:read storage:read', user_id: alice });
    expect((await me(world.first, tokens.body.access_token)).body).to.include({ userId: alice, origin: 'device_code', provenBy: 'sign_in' });
    world.clock.advance(29 * 24 * hour);
    expect((await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', client_id: 'ma_game', refresh_token: String(tokens.body.refresh_token) })).status).to.equal(200);
  });

  it('fills in the code of the whole address, and asks all the same', async () => {
    const { body } = await request();
    const page = await signIn(world, browser, await browser.go(String(body.verification_uri_complete)));
    expect(page.text).to.contain(`value="${String(body.user_code)}"`).and.not.to.contain('name="decision"');
  });

  it('that is refused tells the device so, and is over', async () => {
    const { body } = await request();
    const page = await confirmation(body.user_code);
    await browser.submit(page, { user_code: String(body.user_code), decision: 'deny' });
    expectError(await poll(body.device_code), 'access_denied');
    const again = await confirmation(body.user_code);
    expect([again.status, again.text.includes('name="decision"')]).to.deep.equal([400, false]);
  });

  it('gives its tokens once; used again they are taken back', async () => {
    const other = await world.startRival();
    const { body } = await request();
    await browser.submit(await confirmation(body.user_code), { user_code: String(body.user_code), decision: 'approve', scope: ['user:read'] });
    const tokens = await poll(body.device_code, {}, other);
    expect(tokens.status).to.equal(200);
    expectError(await later(body.device_code), 'invalid_grant');
    world.clock.advance(1_000);
    expect((await me(world.first, tokens.body.access_token)).status).to.equal(401);
  });

  it('is for the client that began it', async () => {
    const { body } = await request();
    await browser.submit(await confirmation(body.user_code), { user_code: String(body.user_code), decision: 'approve', scope: ['user:read'] });
    expectError(await poll(body.device_code, { client_id: 'ma_other' }), 'invalid_grant');
    expect((await later(body.device_code)).status).to.equal(200);
  });

  it('ends after a quarter of an hour', async () => {
    const { body } = await request();
    const page = await confirmation(body.user_code);
    world.clock.advance(900_000);
    expect((await browser.submit(page, { user_code: String(body.user_code), decision: 'approve', scope: ['user:read'] })).status).to.equal(400);
    expectError(await poll(body.device_code), 'invalid_grant');
  });

  it('is answered by one user only', async () => {
    const { body } = await request();
    const hers = await confirmation(body.user_code);
    const other = new Browser(world.issuer);
    const his = await other.submit(await signIn(world, other, await other.go('/oauth2/device'), 'bob'), { user_code: String(body.user_code) });
    expect(his.text).to.contain(bob);
    const answers = await Promise.all([
      browser.submit(hers, { user_code: String(body.user_code), decision: 'approve', scope: ['user:read'] }),
      other.submit(his, { user_code: String(body.user_code), decision: 'approve', scope: ['user:read'] }),
    ]);
    expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
    expect(await world.first.database.sql('tep_session').select('*')).to.have.length(1);
  });

  describe('polled', () => {
    it('too often says slow_down, and wants longer pauses each time; on every instance', async () => {
      const other = await world.startRival();
      const { body } = await request();
      expectError(await poll(body.device_code), 'authorization_pending');
      expectError(await poll(body.device_code, {}, other), 'slow_down');
      expectError(await later(body.device_code), 'slow_down');
      world.clock.advance(15_000);
      expectError(await poll(body.device_code), 'authorization_pending');
    });

    it('too often gives no tokens either', async () => {
      const { body } = await request();
      expectError(await poll(body.device_code), 'authorization_pending');
      await browser.submit(await confirmation(body.user_code), { user_code: String(body.user_code), decision: 'approve', scope: ['user:read'] });
      expectError(await poll(body.device_code), 'slow_down');
      world.clock.advance(10_000);
      expect((await poll(body.device_code)).status).to.equal(200);
    });

    it('with a code that is none is refused', async () => expectError(await poll('invented'), 'invalid_grant'));
  });

  describe('the page', () => {
    it('wants a user who is signed in before it looks at any code', async () => {
      const { body } = await request();
      expect((await browser.request(`/oauth2/device?user_code=${String(body.user_code)}`)).location).to.contain('/oauth2/sign-in');
      const page = await signIn(world, browser, await browser.go('/oauth2/device'));
      const { csrfToken } = formOf(page);
      browser.cookies.delete('tmcp_session');
      const answer = await browser.post('/oauth2/device', { csrf_token: csrfToken, user_code: String(body.user_code), decision: 'approve', scope: 'user:read' });
      expect([answer.status, answer.location]).to.deep.equal([303, `${world.issuer}/oauth2/sign-in?return_to=%2Foauth2%2Fdevice`]);
      expectError(await poll(body.device_code), 'authorization_pending');
    });

    it('takes its own forms only', async () => {
      const { body } = await request();
      const page = await confirmation(body.user_code);
      const fields = { user_code: String(body.user_code), decision: 'approve', scope: 'user:read' };
      expect((await browser.post('/oauth2/device', { ...fields, csrf_token: '' })).status).to.equal(403);
      expect((await browser.post('/oauth2/device', { ...fields, csrf_token: formOf(page).csrfToken }, { origin: 'https://evil.example' })).status).to.equal(403);
      expectError(await poll(body.device_code), 'authorization_pending');
    });

    it('gives no more than was asked', async () => {
      const { body } = await request();
      const page = await confirmation(body.user_code);
      expect((await browser.submit(page, { user_code: String(body.user_code), decision: 'approve', scope: ['user:read', 'wallet:pay'] })).status).to.equal(400);
    });

    it('slows down who guesses', async () => {
      await world.close();
      await begin({ limits: { ...limits(1_000), userCodes: { attempts: 6, seconds: 600 } } });
      const page = await signIn(world, browser, await browser.go('/oauth2/device'));
      const statuses = [];
      for (let i = 0; i < 7; i += 1) statuses.push((await browser.submit(page, { user_code: `BBBB-BBB${'BCDFGHJ'[i]!}` })).status);
      expect(statuses).to.deep.equal([400, 400, 400, 400, 400, 400, 429]);
      const { body } = await request();
      expect((await browser.submit(page, { user_code: String(body.user_code) })).status).to.equal(429);
    });
  });

  describe('the request', () => {
    it('of a confidential client needs its secret', async () => {
      expect((await request({ client_id: 'ma_server' })).status).to.equal(401);
      expect((await request({}, basic('ma_server', secrets.server))).status).to.equal(200);
    });

    const refused: Record<string, [Record<string, string>, string]> = {
      'a scope that is not registered': [{ scope: 'wallet:history' }, 'invalid_scope'],
      'a privileged scope': [{ scope: 'wallet:admin' }, 'invalid_scope'],
      'a bad context': [{ miniapp_context: '[]' }, 'invalid_request'],
      'a first-party audience as client': [{ client_id: 'tmcp_wallet' }, 'invalid_request'],
    };
    for (const [what, [fields, error]] of Object.entries(refused)) {
      it(`with ${what} is refused`, async () => expectError(await request(fields), error));
    }
  });

  it('opens nothing when what the user had granted before is withdrawn while they answer', async () => {
    await world.close();
    let meanwhile: () => Promise<unknown> = () => Promise.resolve();
    await begin({
      deps: {
        mayNameRoom: async () => {
          await meanwhile();
          return true;
        },
      },
    });
    const before = await request({ scope: 'user:read' });
    await browser.submit(await confirmation(before.body.user_code), { user_code: String(before.body.user_code), decision: 'approve', scope: ['user:read'] });
    const { body } = await request({ scope: 'user:read wallet:pay', miniapp_context: '{"room_id":"!chat:example.org"}' });
    const page = await confirmation(body.user_code);
    meanwhile = () => call(`${world.first.url}/api/v1/auth/revoke`, { method: 'POST', headers: { authorization: 'Bearer syt_alice', 'content-type': 'application/json' }, body: JSON.stringify({ miniapp_id: 'ma_game', scopes: ['user:read'] }) });
    expect((await browser.submit(page, { user_code: String(body.user_code), decision: 'approve', scope: ['wallet:pay'] })).status).to.equal(400);
    expect(await world.first.database.sql('tep_session').whereNull('revoked_at').select('*')).to.deep.equal([]);
  });

  it('for an unapproved app is for its owners (decision D23)', async () => {
    const { body } = await request({ client_id: 'ma_draft' });
    const page = await confirmation(body.user_code, 'bob');
    const answer = await browser.submit(page, { user_code: String(body.user_code), decision: 'approve', scope: ['user:read'] });
    expect(answer.status).to.equal(400);
    expect(await world.first.database.sql('tep_session').select('*')).to.deep.equal([]);
  });

  describe('consent of a token exchange, in a browser (decision D4)', () => {
    const ask = async (): Promise<string> => String((await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice', scope: 'user:read wallet:pay' })).body.consent_ui_endpoint);
    const retry = () => exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice', scope: 'user:read' });

    it('is given by the same user, signed in', async () => {
      const page = await signIn(world, browser, await browser.go(await ask()));
      expect(page.text).to.contain('value="wallet:pay"');
      expect((await browser.submit(page, { decision: 'approve', scope: ['user:read'] })).status).to.equal(200);
      expect((await retry()).status).to.equal(200);
      expect((await browser.go(page.url)).status).to.equal(404);
    });

    it('is not given by another user, nor by who is not signed in, nor by a forged form', async () => {
      const url = await ask();
      const his = await signIn(world, browser, await browser.go(url), 'bob');
      expect([his.status, his.text.includes('name="decision"')]).to.deep.equal([403, false]);
      const { csrfToken } = formOf(await browser.go('/oauth2/sessions'));
      expect((await browser.post(url, { csrf_token: csrfToken, decision: 'approve', scope: 'user:read' })).status).to.equal(403);
      const nobody = new Browser(world.issuer);
      const form = formOf(await nobody.go(url));
      expect((await nobody.post(url, { csrf_token: form.csrfToken, decision: 'approve', scope: 'user:read' })).status).to.equal(303);
      const hers = new Browser(world.issuer);
      await signIn(world, hers, await hers.go(url));
      expect((await hers.post(url, { csrf_token: '', decision: 'approve', scope: 'user:read' })).status).to.equal(403);
      expect((await retry()).status).to.equal(403);
    });
  });
});
