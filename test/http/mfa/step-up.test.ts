import { expect } from 'chai';
import { isoTime } from '../../../src/kernel/clock.ts';
import { call, exchange, type ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import type { WalletService } from '../../support/wallet-service.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { Browser, newPkce, redirectUri, type Page } from '../oauth/browser.ts';
import { newEcKey, signDer } from './device-key.ts';
import { byItself, newUser, newUserWithPin, pin, pinProof, type TestUser } from './support.ts';

onEveryWallet('consent to what is critical', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
    await call(server.url, 'POST', '/mini-apps/v1/register', {
      token: server.adminToken,
      body: { miniapp_id: 'ma_shop', name: 'Shop', category: 'shopping', classification: 'verified', technical: { entry_url: 'https://a.example', redirect_uris: [redirectUri], scopes_requested: ['user:read', 'storage:read', 'wallet:pay'] } },
    });
    await call(server.url, 'POST', '/admin/v1/mini-apps/ma_shop/approve', { token: server.adminToken, body: {} });
  });
  after(() => server.close());

  const granted = (user: TestUser): Promise<string[]> => server.database.sql('scope_grant').where({ user_id: user.userId, state: 'granted' }).orderBy('scope').pluck('scope');
  const question = async (user: TestUser): Promise<string> => {
    const { status, body } = await exchange(server.url, user.matrixToken, { client_id: 'ma_shop', scope: 'user:read wallet:pay' });
    expect(status).to.equal(403);
    return body.consent_ui_endpoint as string;
  };
  const approve = (user: TestUser, path: string, scopes: string[], authProof?: object): Promise<ApiResponse> =>
    call(server.url, 'POST', path, { token: user.matrixToken, body: { approved_scopes: scopes, ...(authProof === undefined ? {} : { auth_proof: authProof }) } });
  const signedIn = async (browser: Browser, user: TestUser, url: string): Promise<Page> => {
    const username = user.userId.slice(1, user.userId.indexOf(':'));
    server.identity.passwords.set(username, 'a password');
    const page = await browser.go(url);
    return page.text.includes('name="password"') ? browser.submit(page, { username, password: 'a password' }) : page;
  };
  const authorizePath = (scope: string): string =>
    `/oauth2/authorize?${new URLSearchParams({ response_type: 'code', client_id: 'ma_shop', redirect_uri: redirectUri, scope, state: 's', code_challenge: newPkce().challenge, code_challenge_method: 'S256' }).toString()}`;
  const yes = { decision: 'approve', scope: ['wallet:pay'] };

  it('by a native client needs a proof by a factor', async () => {
    const user = await newUserWithPin(server);
    const path = await question(user);
    expect((await call(server.url, 'GET', path, { token: user.matrixToken })).body.mfa_methods).to.deep.equal(['transaction_pin']);
    const without = await approve(user, path, ['user:read', 'wallet:pay']);
    expect([without.status, without.body.error, without.body.mfa_methods]).to.deep.equal([403, 'access_denied', ['transaction_pin']]);
    expect((await approve(user, path, ['wallet:pay'], pinProof('604713'))).status).to.equal(403);
    expect(await granted(user)).to.deep.equal([]);
    expect((await approve(user, path, ['user:read', 'wallet:pay'], pinProof(pin))).status).to.equal(200);
    expect(await granted(user)).to.deep.equal(['user:read', 'wallet:pay']);
  });

  it('by a native client takes a signature over this mini-app, once', async () => {
    const key = newEcKey();
    const user = await newUser(server);
    await user.post('/devices/register', { device_id: 'device_1', public_key: key.publicKey });
    const at = isoTime(server.clock.now());
    const signature = (miniappId: string): object => ({ method: 'biometric', proof: { signature: signDer(key, `oauth.consent:${miniappId}:${at}`), device_id: 'device_1', timestamp: at } });
    expect((await approve(user, await question(user), ['wallet:pay'], signature('ma_other'))).status).to.equal(403);
    expect((await approve(user, await question(user), ['wallet:pay'], signature('ma_shop'))).status).to.equal(200);
    await call(server.url, 'POST', '/api/v1/auth/revoke', { token: user.matrixToken, body: { miniapp_id: 'ma_shop' } });
    expect((await approve(user, await question(user), ['wallet:pay'], signature('ma_shop'))).status).to.equal(403);
  });

  it('needs none where nothing critical is approved, or the user has no factor', async () => {
    const user = await newUserWithPin(server);
    expect((await approve(user, await question(user), ['user:read'])).status).to.equal(200);
    const plain = await newUser(server);
    expect((await approve(plain, await question(plain), ['wallet:pay'])).status).to.equal(200);
  });

  it('locks with the same counter as everything else', async () => {
    const user = await newUserWithPin(server);
    const path = await question(user);
    await approve(user, path, ['wallet:pay'], pinProof('604713'));
    await user.post('/mfa/pin', { pin, auth_proof: pinProof('604713') });
    await approve(user, path, ['wallet:pay'], pinProof('604713'));
    const locked = await approve(user, path, ['wallet:pay'], pinProof(pin));
    expect([locked.status, locked.body.error]).to.deep.equal([429, 'rate_limit_exceeded']);
    expect(Number(locked.headers.get('retry-after'))).to.be.within(800, 900);
    expect((await user.post('/mfa/pin', { pin, auth_proof: pinProof(pin) })).status).to.equal(429);
  });

  it('is asked for on the page of an authorization request, which keeps what was ticked', async () => {
    const user = await newUserWithPin(server);
    const browser = new Browser(server.url);
    const page = await signedIn(browser, user, authorizePath('user:read wallet:pay'));
    expect(page.text).to.contain('name="pin"').and.not.to.contain('name="code"');
    const missing = await browser.submit(page, yes);
    expect([missing.status, missing.text.includes('Confirm with your second factor first')]).to.deep.equal([403, true]);
    expect(missing.text).to.match(/value="wallet:pay"[^>]* checked/).and.match(/id="pin"[^>]* aria-invalid="true"/);
    const wrong = await browser.submit(missing, { ...yes, pin: '604713' });
    expect([wrong.status, await granted(user)]).to.deep.equal([403, []]);
    expect(wrong.text).not.to.contain('604713');
    const right = await browser.submit(wrong, { ...yes, pin });
    expect(new URL(right.location!).searchParams.get('code')).to.be.a('string');
    expect(await granted(user)).to.deep.equal(['wallet:pay']);
  });

  it('is not asked for where the answer is no, or nothing is critical', async () => {
    const user = await newUserWithPin(server);
    const browser = new Browser(server.url);
    const page = await signedIn(browser, user, authorizePath('wallet:pay'));
    expect(new URL((await browser.submit(page, { decision: 'deny' })).location!).searchParams.get('error')).to.equal('access_denied');
    const harmless = await signedIn(browser, user, authorizePath('user:read'));
    expect(harmless.text).not.to.contain('name="pin"');
  });

  it("is asked for on the page of a token exchange's question", async () => {
    const user = await newUserWithPin(server);
    const browser = new Browser(server.url);
    const page = await signedIn(browser, user, await question(user));
    const wrong = await browser.submit(page, { ...yes, pin: '604713' });
    expect([wrong.status, await granted(user)]).to.deep.equal([403, []]);
    expect((await browser.submit(wrong, { ...yes, pin })).text).to.contain('Thank you');
    expect(await granted(user)).to.deep.equal(['wallet:pay']);
  });

  it('is asked for on the page of a device code, which can be answered again', async () => {
    const user = await newUserWithPin(server);
    const browser = new Browser(server.url);
    const response = await fetch(`${server.url}/oauth2/device/authorization`, { method: 'POST', body: new URLSearchParams({ client_id: 'ma_shop', scope: 'user:read wallet:pay' }) });
    const { user_code: userCode } = (await response.json()) as { user_code: string };
    const page = await browser.submit(await signedIn(browser, user, '/oauth2/device'), { user_code: userCode });
    const wrong = await browser.submit(page, { ...yes, user_code: userCode, pin: '604713' });
    expect([wrong.status, await granted(user)]).to.deep.equal([403, []]);
    expect((await browser.submit(wrong, { ...yes, user_code: userCode, pin })).text).to.contain('connected');
    expect(await granted(user)).to.deep.equal(['wallet:pay']);
  });

  it('says on a page where to go for who has only a key', async () => {
    const user = await newUser(server);
    await user.post('/devices/register', { device_id: 'device_1', public_key: newEcKey().publicKey });
    const browser = new Browser(server.url);
    const page = await signedIn(browser, user, authorizePath('wallet:pay'));
    expect(page.text).to.contain('this page can’t use your device’s key').and.not.to.contain('name="pin"');
    expect((await browser.submit(page, yes)).status).to.equal(403);
  });

  const withService = (title: string, test: (service: WalletService) => Promise<void>): void => void (databases.wallet === 'remote' && it(title, () => test(server.walletService!)));

  withService('is not given while what keeps the factors is away', async (service) => {
    const user = await newUserWithPin(server);
    const [path, browser] = [await question(user), new Browser(server.url)];
    const page = await signedIn(browser, user, authorizePath('wallet:pay'));
    service.between = (_serve, _req, res) => void res.writeHead(503).end();
    try {
      const refused = await approve(user, path, ['wallet:pay'], pinProof(pin));
      expect([refused.status, refused.body.error]).to.deep.equal([503, 'temporarily_unavailable']);
      const onPage = await browser.submit(page, { ...yes, pin });
      expect([onPage.status, onPage.text.includes('Second factors can not be checked')]).to.deep.equal([503, true]);
      expect(await granted(user)).to.deep.equal([]);
    } finally {
      service.between = undefined;
    }
  });

  it('leaves no PIN in the log', () => {
    const log = server.log.lines.join('\n');
    expect(log).not.to.match(byItself(pin)).and.not.to.match(byItself('604713'));
  });
});
