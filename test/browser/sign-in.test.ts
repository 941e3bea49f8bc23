import { expect } from 'chai';
import * as openid from 'openid-client';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { call } from '../support/api.ts';
import { requireOrSkip } from '../support/availability.ts';
import { chromiumAvailable, sharedBrowser } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { startNeighbourhood, type Neighbourhood } from '../support/neighbourhood.ts';
import { tmcpPrints } from '../support/tmcp.ts';

const redirectUri = 'https://coffee.example/signed-in';
const miniappId = 'ma_coffee';
const password = 'correct horse battery staple';

/** Everything real but the mini-app's own page: a homeserver with its user, our server as a process, a browser, a client library. */
describe('signing in to a mini-app, from the browser to the token', function () {
  this.timeout(60_000);
  let town: Neighbourhood;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let config: openid.Configuration;
  let elsewhere: string;
  /** Where the browser was sent at the mini-app; nothing answers there. */
  let arrivals: string[];

  before(async function () {
    requireOrSkip(this, await chromiumAvailable());
    browser = await sharedBrowser();
    town = await startNeighbourhood(this);
    elsewhere = (await town.synapse.registerUser('carol', password)).accessToken;
    const token = (await tmcpPrints(['admin', 'token', '--name', 'root'], { env: town.server.env })).trimEnd();
    const technical = { entry_url: 'https://coffee.example/', redirect_uris: [redirectUri], scopes_requested: ['user:read', 'storage:read', 'storage:write', 'wallet:pay'] };
    expect((await call(town.server.url, 'POST', '/mini-apps/v1/register', { token, body: { miniapp_id: miniappId, name: 'Coffee', classification: 'verified', technical } })).status).to.equal(201);
    expect((await call(town.server.url, 'POST', `/admin/v1/mini-apps/${miniappId}/approve`, { token, body: {} })).status).to.equal(200);
    config = await openid.discovery(new URL(town.server.url), miniappId, undefined, openid.None(), { execute: [openid.allowInsecureRequests], algorithm: 'oauth2' });
  });
  beforeEach(async () => {
    context = await browser.newContext();
    page = await context.newPage();
    arrivals = [];
    page.on('request', (request) => {
      if (request.url().startsWith(redirectUri)) arrivals.push(request.url());
    });
  });
  afterEach(() => context?.close());
  after(() => town?.close());

  const atTheApp = (): Promise<string> =>
    eventually(
      () => {
        expect(arrivals).to.have.length(1);
        return arrivals[0]!;
      },
      { description: 'the browser is sent to the mini-app' },
    );

  /** Opens the authorization endpoint as the mini-app does; the rest happens in the browser. */
  async function begin(scope: string) {
    const verifier = openid.randomPKCECodeVerifier();
    const state = openid.randomState();
    const url = openid.buildAuthorizationUrl(config, { redirect_uri: redirectUri, scope, state, code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' });
    // At once at the mini-app, where nothing was left to ask: the browser finds nobody there.
    await page.goto(url.href).catch(() => undefined);
    return { finish: async () => openid.authorizationCodeGrant(config, new URL(await atTheApp()), { pkceCodeVerifier: verifier, expectedState: state }) };
  }
  const signIn = async (user: string, secret: string): Promise<void> => {
    await page.getByLabel('User name').fill(user);
    await page.getByLabel('Password').fill(secret);
    await page.getByRole('button', { name: 'Sign in' }).click();
  };

  it('asks for the password, then for consent, and gives a code that is worth a token', async () => {
    const { finish } = await begin('user:read storage:read storage:write wallet:pay');
    await signIn('carol', 'wrong');
    expect(await page.getByRole('alert').innerText()).to.match(/user name or the password is wrong/);
    await signIn('carol', password);
    await page.getByRole('heading', { name: /Coffee/ }).waitFor();
    expect(await page.getByRole('checkbox').count()).to.be.greaterThan(0);
    for (const box of await page.getByRole('checkbox').all()) {
      if (!(await box.isChecked())) await page.locator(`label[for="${await box.getAttribute('id')}"]`).click();
    }
    await page.getByRole('button', { name: /^Allow/ }).click();
    const tokens = await finish();
    expect(tokens.access_token).to.match(/^tep\./);
    expect(tokens.scope?.split(' ').sort()).to.deep.equal(['storage:read', 'storage:write', 'user:read', 'wallet:pay']);
    expect(tokens.user_id).to.equal('@carol:hs.test');
    expect(await openid.tokenIntrospection(config, tokens.access_token)).to.include({ active: true, sub: '@carol:hs.test', aud: miniappId });
  });

  it('leaves no device behind on the homeserver', async () => {
    const { devices } = (await call(town.synapse.url, 'GET', '/_matrix/client/v3/devices', { token: elsewhere })).body as { devices: unknown[] };
    expect(devices, 'only the one that the test registered').to.have.length(1);
  });

  it('asks nothing that was granted before: signing in is enough, and then not even that', async () => {
    const first = await begin('storage:read wallet:pay');
    await signIn('carol', password);
    expect((await first.finish()).scope).to.equal('storage:read wallet:pay');
    arrivals = [];
    const second = await begin('storage:read');
    expect((await second.finish()).scope).to.equal('storage:read');
  });

  it('goes back without a code when the user declines', async () => {
    await town.synapse.registerUser('dave', password);
    const { finish } = await begin('wallet:pay');
    await signIn('dave', password);
    await page.getByRole('button', { name: 'Deny' }).click();
    expect(new URL(await atTheApp()).searchParams.get('error')).to.equal('access_denied');
    const refusal = await finish().catch((error: openid.AuthorizationResponseError) => error.error);
    expect(refusal).to.equal('access_denied');
  });
});
