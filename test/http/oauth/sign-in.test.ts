import { expect } from 'chai';
import { answerOf, authorizeUrl, Browser, formOf, linksOf, newPkce, signIn, type Page } from './browser.ts';
import { databaseKinds, onEachDatabase, opener } from './databases.ts';
import { masClient } from './identity-servers.ts';
import { alice, bob, createWorld, limits, type World } from './support.ts';

const sqlite = async () => opener(await databaseKinds[0]!.create());
const sessions = '/oauth2/sessions';

describe('signing in on our pages', () => {
  let world: World;
  let browser: Browser;
  const begin = async (options: Parameters<typeof createWorld>[1] = {}): Promise<void> => {
    world = await createWorld(await sqlite(), options);
    browser = new Browser(world.issuer);
  };
  afterEach(() => world.close());
  const stored = async (): Promise<string> => {
    const tables = await Promise.all(['oidc_entry', 'browser_session', 'sign_in_attempt', 'tep_session', 'job'].map((table) => world.first.database.sql(table).select('*')));
    return JSON.stringify(tables) + world.log.lines.join('\n');
  };

  describe('with a password, where the homeserver has no other way', () => {
    beforeEach(() => begin());

    it('signs in, ends the device at once, and keeps no password', async () => {
      const page = await signIn(world, browser, await browser.go(sessions));
      expect([page.status, page.url]).to.deep.equal([200, world.issuer + sessions]);
      expect(page.text).to.contain(alice);
      expect(world.identity.devices.size).to.equal(0);
      expect(world.identity.requests.map(({ path }) => path)).to.include('/_matrix/client/v3/logout');
      expect(await stored()).not.to.contain('password of alice').and.not.to.contain('syt_device');
    });

    it('says no to a wrong one, without saying what was wrong', async () => {
      world.identity.passwords.set('alice', 'right');
      const page = await browser.go(sessions);
      const texts = [];
      for (const [username, password] of [['alice', 'wrong'], ['nobody', 'wrong'], ['', ''], ['alice', 'x'.repeat(600)]] as const) {
        const refused = await browser.submit(page, { username, password });
        expect([refused.status, refused.location]).to.deep.equal([401, undefined]);
        texts.push(/<p[^>]*id="problem"[^>]*>.*?<\/p>|The user name or the password is wrong/s.exec(refused.text)?.[0]);
      }
      expect(new Set(texts).size).to.equal(1);
      expect((await browser.request(sessions)).status).to.equal(303);
    });

    it('never signs in a user of ours, whatever the homeserver says', async () => {
      for (const username of ['_tmcp', 'ma_game']) {
        const page = await signIn(world, browser, await browser.go(sessions), username);
        expect(page.status).to.equal(401);
        expect(world.identity.devices.size).to.equal(0);
      }
    });

    it('gives the browser another session than it had before', async () => {
      const planted = new Browser(world.issuer);
      await signIn(world, planted, await planted.go(sessions), 'bob');
      const victim = new Browser(world.issuer);
      for (const [name, cookie] of planted.cookies) victim.cookies.set(name, cookie);
      const page = await victim.go(`/oauth2/sign-in?return_to=${sessions}`);
      expect((await signIn(world, victim, page)).text).to.contain(alice);
      expect((await planted.request(sessions)).location).to.contain('/oauth2/sign-in');
    });

    it('needs a form of our own', async () => {
      world.identity.passwords.set('alice', 'right');
      const { action, csrfToken } = formOf(await browser.go(sessions));
      const good = { username: 'alice', password: 'right' };
      for (const [fields, headers] of [
        [{ ...good, csrf_token: '' }, { origin: world.issuer }],
        [{ ...good, csrf_token: csrfToken }, { origin: 'https://evil.example' }],
      ] as const) {
        expect((await browser.post(action, fields, headers)).status).to.equal(403);
      }
      const other = new Browser(world.issuer);
      expect((await other.post(action, { ...good, csrf_token: csrfToken })).status).to.equal(403);
      expect(world.identity.requests.filter(({ path }) => path === '/_matrix/client/v3/login')).to.have.length(1);
    });

    it('leads nowhere but to our own pages', async () => {
      for (const returnTo of ['https://evil.example/', '//evil.example/oauth2/sessions', '/\\evil.example', 'javascript:alert(1)', '/oauth2/token', '/admin', `${world.issuer}.evil.example/oauth2/sessions`, 'http://user@evil.example/oauth2/sessions']) {
        const page = await browser.request(`/oauth2/sign-in?return_to=${encodeURIComponent(returnTo)}`);
        expect([page.status, page.location], returnTo).to.deep.equal([400, undefined]);
      }
    });

    it('says so while the homeserver does not answer', async () => {
      world.identity.failWith = 500;
      const page = await browser.go(sessions);
      expect([page.status, page.headers.get('retry-after')]).to.deep.equal([503, '5']);
    });

    it('is shown on pages that nobody can frame, script or keep', async () => {
      const page = await browser.go(sessions);
      expect(page.headers.get('content-security-policy')).to.contain("default-src 'none'").and.contain("frame-ancestors 'none'").and.contain("form-action 'self'");
      expect(page.headers.get('cache-control')).to.equal('no-store');
      expect(page.headers.get('access-control-allow-origin')).to.equal(null);
      expect(page.text).not.to.contain('<script');
    });
  });

  describe('too often', () => {
    beforeEach(() => begin({ limits: { ...limits(1_000), passwords: { attempts: 3, seconds: 60 }, signIns: { attempts: 8, seconds: 60 } } }));

    it('for one name is slowed down, whoever tries', async () => {
      const page = await browser.go(sessions);
      for (let i = 0; i < 3; i += 1) expect((await browser.submit(page, { username: 'alice', password: `guess ${i}` })).status).to.equal(401);
      const slowed = await browser.submit(page, { username: 'ALICE', password: 'guess 4' });
      expect(slowed.status).to.equal(429);
      expect(Number(slowed.headers.get('retry-after'))).to.be.within(1, 60);
      expect((await signIn(world, browser, page, 'bob')).text).to.contain(bob);
    });

    it('from one address is slowed down, whoever it is for', async () => {
      const page = await browser.go(sessions);
      for (let i = 0; i < 8; i += 1) expect((await browser.submit(page, { username: `user${i}`, password: 'guess' })).status).to.equal(401);
      expect((await browser.submit(page, { username: 'user9', password: 'guess' })).status).to.equal(429);
      const before = world.identity.requests.length;
      await browser.submit(page, { username: 'user10', password: 'guess' });
      expect(world.identity.requests.length).to.equal(before);
    });
  });

  describe('by single sign-on of the homeserver', () => {
    const flows = [{ type: 'm.login.sso', identity_providers: [{ id: 'oidc-corp', name: 'Corp' }] }, { type: 'm.login.token' }, { type: 'm.login.password' }];
    beforeEach(async () => {
      await begin();
      world.identity.flows = flows;
    });
    const leave = async (): Promise<{ away: URL; back: URL }> => {
      const page = await browser.go(sessions);
      const { location } = await browser.request(linksOf(page)[0]!);
      const away = new URL(location!);
      return { away, back: new URL(away.searchParams.get('redirectUrl')!) };
    };

    it('leads to the provider and back; the device is ended at once', async () => {
      const { away, back } = await leave();
      expect(away.origin + away.pathname).to.equal(`${world.identity.url}/_matrix/client/v3/login/sso/redirect/oidc-corp`);
      expect(back.origin + back.pathname).to.equal(`${world.issuer}/oauth2/callback`);
      world.identity.loginTokens.set('lt_1', 'alice');
      back.searchParams.set('loginToken', 'lt_1');
      const page = await browser.go(back.href);
      expect([page.status, page.text.includes(alice), world.identity.devices.size]).to.deep.equal([200, true, 0]);
      expect(await stored()).not.to.contain('lt_1').and.not.to.contain('syt_device').and.not.to.contain(back.searchParams.get('state')!);
    });

    it('takes no password there, even when one is sent', async () => {
      world.identity.flows = [{ type: 'm.login.password' }];
      const page = await browser.go(sessions);
      world.identity.flows = flows;
      world.clock.advance(60_000);
      world.identity.passwords.set('alice', 'right');
      const refused = await browser.submit(page, { username: 'alice', password: 'right' });
      expect([refused.status, refused.text.includes('name="password"')]).to.deep.equal([401, false]);
      expect(world.identity.requests.map(({ path }) => path)).not.to.include('/_matrix/client/v3/logout');
    });

    const attacks: Record<string, (back: URL) => Promise<Page>> = {
      'in another browser, as one is sent a link': (back) => new Browser(world.issuer).request(back.href),
      'with another state': (back) => {
        back.searchParams.set('state', 'guessed');
        return browser.request(back.href);
      },
      'without a state': (back) => {
        back.searchParams.delete('state');
        return browser.request(back.href);
      },
      'too late': (back) => {
        world.clock.advance(10 * 60_000);
        return browser.request(back.href);
      },
    };
    for (const [what, attack] of Object.entries(attacks)) {
      it(`signs nobody in when it comes back ${what}`, async () => {
        const { back } = await leave();
        world.identity.loginTokens.set('lt_mallory', 'mallory');
        back.searchParams.set('loginToken', 'lt_mallory');
        const page = await attack(back);
        expect([page.status, page.location]).to.deep.equal([400, undefined]);
        expect(world.identity.loginTokens.size).to.equal(1);
        expect(await world.first.database.sql('browser_session').select('*')).to.deep.equal([]);
      });
    }

    it('comes back once', async () => {
      const { back } = await leave();
      for (const [token, status] of [['lt_1', 200], ['lt_2', 400]] as const) {
        world.identity.loginTokens.set(token, 'alice');
        back.searchParams.set('loginToken', token);
        expect((await browser.go(back.href)).status).to.equal(status);
      }
    });

    it('signs nobody in with a token that the homeserver does not know', async () => {
      const { back } = await leave();
      back.searchParams.set('loginToken', 'lt_invented');
      expect((await browser.go(back.href)).status).to.equal(403);
      expect((await browser.request(sessions)).status).to.equal(303);
    });
  });

  describe('by the Matrix Authentication Service', () => {
    beforeEach(() => begin({ mas: true }));
    const leave = async (): Promise<URL> => {
      const { location } = await browser.request(linksOf(await browser.go(sessions))[0]!);
      return new URL(location!);
    };
    const comeBack = (away: URL, parameters: Record<string, string>): Promise<Page> => browser.go(`${away.searchParams.get('redirect_uri')!}?${new URLSearchParams({ state: away.searchParams.get('state')!, ...parameters }).toString()}`);
    const codeFor = (away: URL, username: string): string => {
      world.identity.codes.set('code_1', { challenge: away.searchParams.get('code_challenge')!, username });
      return 'code_1';
    };

    it('is a code with PKCE for openid alone; the user is who introspection names', async () => {
      const away = await leave();
      expect(Object.fromEntries(away.searchParams)).to.include({ response_type: 'code', client_id: masClient.clientId, redirect_uri: `${world.issuer}/oauth2/callback`, scope: 'openid', code_challenge_method: 'S256' });
      const page = await comeBack(away, { code: codeFor(away, 'alice'), iss: `${world.identity.url}/` });
      expect([page.status, page.text.includes(alice)]).to.deep.equal([200, true]);
      expect([...world.identity.introspection.keys()]).to.deep.equal([]);
      expect(await stored()).not.to.contain('mat_signin').and.not.to.contain('code_1');
    });

    it('signs nobody in by the answer of another server (RFC 9207)', async () => {
      const away = await leave();
      const page = await comeBack(away, { code: codeFor(away, 'alice'), iss: 'https://evil.example/' });
      expect(page.status).to.equal(403);
      expect(world.identity.codes.size).to.equal(1);
    });

    it('signs nobody in by a code that is for another sign-in', async () => {
      const away = await leave();
      world.identity.codes.set('code_other', { challenge: 'of somebody else', username: 'alice' });
      expect((await comeBack(away, { code: 'code_other' })).status).to.equal(403);
    });

    it('signs nobody in when the user said no there', async () => {
      expect((await comeBack(await leave(), { error: 'access_denied' })).status).to.equal(403);
    });

    it('takes no password, though the homeserver might', async () => {
      world.identity.passwords.set('alice', 'right');
      const page = await browser.go(sessions);
      expect(page.text).not.to.contain('name="password"');
      const other = new Browser(world.issuer);
      const { text } = await other.go(sessions);
      expect(text).not.to.contain('csrf_token');
      expect(world.identity.requests.map(({ path }) => path)).not.to.include('/_matrix/client/v3/login');
    });
  });

  it('sets cookies that only this host gets, over https, and that scripts and other sites do not', async () => {
    await begin();
    const secure = await world.startInstance({ options: { ...world.options, issuer: 'https://tmcp.example' } });
    const there = new Browser(secure.url);
    const page = await there.request('/oauth2/sign-in');
    world.identity.passwords.set('alice', 'right');
    const answer = await there.post('/oauth2/sign-in', { csrf_token: formOf(page).csrfToken, username: 'alice', password: 'right' }, { origin: 'https://tmcp.example' });
    expect(answer.status).to.equal(303);
    expect([...there.cookies.keys()].sort()).to.deep.equal(['__Host-tmcp_browser', '__Host-tmcp_session']);
    for (const [name, { attributes }] of there.cookies) expect(attributes, name).to.match(/^Path=\/; HttpOnly; SameSite=Lax; Secure/).and.not.match(/Domain/i);
    const interaction = await there.request(authorizeUrl(world, newPkce(), { scope: 'user:read' }).replace(world.issuer, secure.url));
    expect(interaction.location).to.contain('/oauth2/interaction/');
    for (const name of ['__Secure-tmcp_interaction', '__Secure-tmcp_resume']) expect(there.cookies.get(name)!.attributes, name).to.match(/httponly/i).and.match(/samesite=lax/i).and.match(/secure/i);
  });
});

onEachDatabase('sessions of browsers', (fresh) => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld(await fresh());
  });
  afterEach(() => world.close());
  const signedIn = async (username = 'alice'): Promise<Browser> => {
    const browser = new Browser(world.issuer);
    expect((await signIn(world, browser, await browser.go(sessions), username)).status).to.equal(200);
    return browser;
  };
  const idsIn = (page: Page): string[] => [...page.text.matchAll(/name="end_session" value="([^"]+)"/g)].map(([, id]) => id!);

  it('are listed and ended by their user; what is ended is over at once', async () => {
    const [here, there] = [await signedIn(), await signedIn()];
    const page = await here.go(sessions);
    const ids = idsIn(page);
    expect(ids).to.have.length(2);
    // The older one is this browser's own.
    for (const id of ids.reverse()) await here.submit(page, { end_session: id });
    expect((await there.request(sessions)).location).to.contain('/oauth2/sign-in');
    expect((await here.request(sessions)).location).to.contain('/oauth2/sign-in');
    expect(answerOf(await there.go(authorizeUrl(world, newPkce(), { prompt: 'none' }))).error).to.equal('login_required');
  });

  it('are nobody else\'s to end', async () => {
    const hers = await signedIn();
    const [id] = idsIn(await hers.go(sessions));
    const his = await signedIn('bob');
    const page = await his.go(sessions);
    expect(page.text).not.to.contain(id);
    await his.submit(page, { end_session: id! });
    expect((await hers.request(sessions)).status).to.equal(200);
  });

  it('last fourteen days from signing in, used or not', async () => {
    const browser = await signedIn();
    for (let day = 0; day < 13; day += 1) {
      world.clock.advance(24 * 3_600_000);
      expect(answerOf(await browser.go(authorizeUrl(world, newPkce())))).to.have.property('code');
    }
    world.clock.advance(24 * 3_600_000);
    expect((await browser.request(sessions)).location).to.contain('/oauth2/sign-in');
  });

  it('keep their place in the list while their cookie changes', async () => {
    const browser = await signedIn();
    const [id] = idsIn(await browser.go(sessions));
    await browser.submit(await browser.go(authorizeUrl(world, newPkce(), { scope: 'user:read' })), { decision: 'approve', scope: ['user:read'] });
    expect(idsIn(await browser.go(sessions))).to.deep.equal([id]);
  });

  it('show what was granted, and take it back', async () => {
    const browser = await signedIn();
    await browser.submit(await browser.go(authorizeUrl(world, newPkce(), { scope: 'user:read' })), { decision: 'approve', scope: ['user:read'] });
    const page = await browser.go(sessions);
    expect(page.text).to.contain('See your name and picture');
    await browser.submit(page, { withdraw: 'ma_game' });
    expect((await browser.go(sessions)).text).not.to.contain('See your name and picture');
    expect(await world.first.database.sql('scope_grant').pluck('state')).to.deep.equal(['revoked']);
  });

  it('are ended by our own forms only', async () => {
    const browser = await signedIn();
    const page = await browser.go(sessions);
    expect((await browser.post(sessions, { csrf_token: '', end_session: idsIn(page)[0]! })).status).to.equal(403);
    expect((await browser.post(sessions, { csrf_token: formOf(page).csrfToken, end_session: idsIn(page)[0]! }, { origin: 'https://evil.example' })).status).to.equal(403);
    expect((await browser.request(sessions)).status).to.equal(200);
  });
});
