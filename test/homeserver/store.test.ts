import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { expect } from 'chai';
import type { BrowserContext, Page } from 'playwright-core';
import { loadEventSchemas } from '../../src/http/index.ts';
import { call, exchange, firstPartyToken } from '../support/api.ts';
import { requireOrSkip } from '../support/availability.ts';
import { chromiumAvailable, sharedBrowser } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import type { MatrixUser, ReceivedEvent } from '../support/matrix-user.ts';
import { BOT, startNeighbourhood, type Neighbourhood } from '../support/neighbourhood.ts';
import { tmcpPrints } from '../support/tmcp.ts';
import { html, startSite, startWidgetClient, type Site } from '../support/widget-host.ts';

const checkContent = loadEventSchemas(new URL('../../schema/events/', import.meta.url));

describe('a mini-app in a room of a real homeserver', () => {
  let town: Neighbourhood;
  let alice: MatrixUser;
  let bob: MatrixUser;
  let room: string;
  let url: string;
  let adminToken: string;
  const store = (person: MatrixUser): Promise<string> => firstPartyToken(url, person.accessToken, 'tmcp_store');

  before(async function () {
    town = await startNeighbourhood(this);
    url = town.server.url;
    [alice, bob] = await Promise.all([town.person('alice'), town.person('bob')]);
    room = await town.roomWithBot(alice, { invite: [bob.userId], power_level_content_override: { users: { [BOT]: 50 } } });
    await bob.join(room);
    adminToken = (await tmcpPrints(['admin', 'token', '--name', 'test'], { cwd: town.server.directory, env: town.server.env })).trim();
    await call(url, 'POST', '/mini-apps/v1/register', { token: adminToken, body: { miniapp_id: 'ma_shop', name: 'Shop', technical: { entry_url: 'https://shop.example/app', scopes_requested: ['messaging:send'] } } });
    const { status } = await call(url, 'POST', '/admin/v1/mini-apps/ma_shop/approve', { token: adminToken, body: {} });
    expect(status).to.equal(200);
  });
  after(() => town?.close());

  it('appears as a widget, which clients without mini-apps can open; only by somebody who may add widgets', async () => {
    const refused = await call(url, 'POST', '/api/v1/store/apps/ma_shop/install', { token: await store(bob), body: { room_id: room, widget: true } });
    expect([refused.status, refused.body.error.code]).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    const installed = await call(url, 'POST', '/api/v1/store/apps/ma_shop/install', { token: await store(alice), body: { room_id: room, widget: true } });
    expect(installed.status).to.equal(200);
    const widget = await bob.waitForEvent((event) => event.roomId === room && event.type === 'im.vector.modular.widgets', { description: 'the widget' });
    expect(widget).to.deep.include({ sender: BOT, stateKey: 'tmcp_ma_shop' });
    expect(widget.content).to.deep.include({ id: 'tmcp_ma_shop', type: 'm.custom', url: 'https://shop.example/app', creatorUserId: alice.userId });
  });

  it('is opened over HTTP, and the room hears of it', async () => {
    const launched = await call(url, 'POST', '/api/v1/store/apps/ma_shop/launch', { token: await store(alice), body: { room_id: room } });
    expect(launched.status).to.equal(201);
    const event = await bob.waitForEvent(({ type, content }) => type === 'm.tween.miniapp.launched' && content.session_id === launched.body.session_id, { description: 'the session' });
    expect(checkContent(event.type, event.content)).to.deep.equal([]);
  });

  it('sends a card as its own user, whom the bot brings in', async () => {
    const context = { miniapp_context: JSON.stringify({ room_id: room }) };
    const asked = await exchange(url, alice.accessToken, { client_id: 'ma_shop', scope: 'messaging:send', ...context });
    await call(url, 'POST', asked.body.consent_ui_endpoint as string, { token: alice.accessToken, body: { approved_scopes: ['messaging:send'] } });
    const session = await exchange(url, alice.accessToken, { client_id: 'ma_shop', scope: 'messaging:send', ...context });
    const sent = await call(url, 'POST', `/api/v1/rooms/${encodeURIComponent(room)}/cards`, { token: session.body.access_token as string, body: { card: { type: 'product', title: 'Walnut table', price: { amount: 12.5, currency: 'USD' } } } });
    expect(sent.status, JSON.stringify(sent.body)).to.equal(202);
    const isCard = ({ type, content }: ReceivedEvent): boolean => type === 'm.room.message' && content.card_id === sent.body.card_id;
    const card = await bob.waitForEvent(isCard, { description: 'the card' });
    expect(card.sender).to.equal('@ma_shop:hs.test');
    expect(checkContent('m.tween.card', card.content)).to.deep.equal([]);
    expect(card.content.body).to.equal('Walnut table\n12.50 USD');
  });

  it('takes its widget with it', async () => {
    await call(url, 'DELETE', '/api/v1/store/apps/ma_shop/install', { token: await store(alice) });
    await bob.waitForEvent((event) => event.type === 'im.vector.modular.widgets' && Object.keys(event.content).length === 0, { description: 'the widget goes' });
    expect(await bob.state(room, 'im.vector.modular.widgets', 'tmcp_ma_shop')).to.deep.equal({});
  });

  it('renews its widget with a version, and has it taken away when it is suspended', async () => {
    await call(url, 'POST', '/api/v1/store/apps/ma_shop/install', { token: await store(alice), body: { room_id: room, widget: true } });
    await bob.waitForEvent((event) => event.type === 'im.vector.modular.widgets' && event.content.name === 'Shop', { description: 'the widget again' });
    const administer = (path: string, body: object): Promise<{ status: number }> => call(url, 'POST', path, { token: adminToken, body });
    expect((await administer('/mini-apps/v1/ma_shop/versions', { version: '2.0.0', changes: { name: 'Shop two', technical: { entry_url: 'https://shop.example/two' } } })).status).to.equal(201);
    expect((await administer('/admin/v1/mini-apps/ma_shop/approve', {})).status).to.equal(200);
    const renewed = await bob.waitForEvent((event) => event.type === 'im.vector.modular.widgets' && event.content.name === 'Shop two', { description: 'the renewed widget' });
    expect(renewed.content).to.deep.include({ url: 'https://shop.example/two', creatorUserId: alice.userId });
    const seen = bob.received.length;
    expect((await administer('/admin/v1/mini-apps/ma_shop/suspend', { reason: 'Complaints' })).status).to.equal(200);
    await bob.waitForEvent((event) => event.type === 'im.vector.modular.widgets' && Object.keys(event.content).length === 0 && bob.received.indexOf(event) >= seen, { description: 'the widget is taken away' });
  });

  describe('as a widget of a client that knows nothing of mini-apps', () => {
    let client: Site;
    let shop: Site;
    let context: BrowserContext;
    let secret: string;
    let meeting: string;
    const policyFor = (ancestors: string): string => `default-src 'self'; frame-ancestors ${ancestors}; upgrade-insecure-requests`;
    const requests: { path: string; policy: string }[] = [];

    /** In the frame: says hello to the client, asks who the user is, and lets the app's server prove it. */
    const appScript = `
      const parameters = new URL(location.href).searchParams;
      const api = new mxwidgets.WidgetApi(parameters.get('widgetId'), new URL(parameters.get('parentUrl')).origin);
      api.once('ready', async () => {
        const credentials = await api.requestOpenIDConnectToken();
        const answer = await fetch('/sign-in', { method: 'POST', body: JSON.stringify(credentials) });
        document.querySelector('h1').textContent = 'Hello ' + (await answer.json()).user_id;
      });
      api.start();`;

    /** The app's own server, which has its secret. */
    async function serveShop(req: IncomingMessage, res: ServerResponse): Promise<void> {
      const { pathname } = new URL(req.url!, 'https://shop.localhost');
      if (pathname === '/app.js') return void res.writeHead(200, { 'content-type': 'text/javascript' }).end(appScript);
      if (pathname === '/sign-in') {
        const { access_token: token, matrix_server_name: serverName } = (await json(req)) as { access_token: string; matrix_server_name: string };
        const answer = await fetch(`${url}/oauth2/token`, { method: 'POST', headers: { authorization: `Basic ${Buffer.from(`ma_board:${secret}`).toString('base64')}` }, body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: token, subject_token_type: 'urn:tmcp:params:oauth:token-type:matrix-openid', matrix_server_name: serverName, scope: 'user:read' }) });
        return void res.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
      }
      const policy = policyFor(pathname === '/closed' ? "'none'" : pathname === '/other' ? 'https://other.localhost' : client.origin);
      requests.push({ path: pathname, policy });
      html(res, '<h1>Walnut board</h1><script src="/mxwidgets.js"></script><script src="/app.js"></script>', policy);
    }

    async function publish(id: string, path: string): Promise<void> {
      const { body } = await call(url, 'POST', '/mini-apps/v1/register', { token: adminToken, body: { miniapp_id: id, name: 'Board', technical: { entry_url: `${shop.origin}${path}`, redirect_uris: [`${shop.origin}/cb`], scopes_requested: ['user:read'], client_type: 'confidential' } } });
      secret = body.credentials.client_secret as string;
      expect((await call(url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: adminToken, body: {} })).status).to.equal(200);
    }

    before(async function () {
      this.timeout(60_000);
      requireOrSkip(this, await chromiumAvailable());
      client = await startWidgetClient();
      shop = await startSite('shop', serveShop);
      context = await (await sharedBrowser()).newContext({ ignoreHTTPSErrors: true });
      meeting = await town.roomWithBot(alice, { invite: [bob.userId], power_level_content_override: { users: { [BOT]: 50 } } });
      await bob.join(meeting);
    });
    after(async () => {
      await context?.close();
      await shop?.close();
      await client?.close();
    });

    /** In the client that does know of mini-apps, once. */
    async function agree(id: string): Promise<void> {
      const { body } = await exchange(url, bob.accessToken, { client_id: id, client_secret: secret, scope: 'user:read' });
      expect((await call(url, 'POST', body.consent_ui_endpoint as string, { token: bob.accessToken, body: { approved_scopes: ['user:read'] } })).status).to.equal(200);
    }

    /** Installs the app into the room and has Bob's client show what the room has. */
    async function show(id: string): Promise<Page> {
      expect((await call(url, 'POST', `/api/v1/store/apps/${id}/install`, { token: await store(alice), body: { room_id: meeting, widget: true } })).status).to.equal(200);
      await bob.waitForEvent((event) => event.roomId === meeting && event.stateKey === `tmcp_${id}` && event.content.url !== undefined, { description: 'the widget' });
      const page = await context.newPage();
      await page.goto(`${client.origin}/#/room/${meeting}`);
      const as = { homeserver: town.synapse.url, accessToken: bob.accessToken, userId: bob.userId, deviceId: bob.client.getDeviceId(), roomId: meeting };
      expect(await page.evaluate(`openWidgets(${JSON.stringify(as)})`)).to.equal(1);
      return page;
    }
    const takeAway = async (id: string): Promise<void> => {
      await call(url, 'DELETE', `/api/v1/store/apps/${id}/install`, { token: await store(alice) });
      await bob.waitForEvent((event) => event.roomId === meeting && event.stateKey === `tmcp_${id}` && Object.keys(event.content).length === 0, { description: 'the widget goes' });
    };

    it('is loaded in its frame, speaks with the client, and learns from the homeserver who the user is', async function () {
      this.timeout(60_000);
      await publish('ma_board', '/app?table=3');
      await agree('ma_board');
      const page = await show('ma_board');
      await page.frameLocator('iframe[title="Board"]').getByRole('heading', { name: `Hello ${bob.userId}` }).waitFor({ timeout: 20_000 });
      expect(await page.evaluate('log')).to.deep.equal(['asked for ', 'ready tmcp_ma_board']);
      const frame = page.frame({ name: 'tmcp_ma_board' })!;
      const address = new URL(frame.url());
      expect([address.origin, address.pathname, ...['table', 'widgetId', 'parentUrl'].map((name) => address.searchParams.get(name))]).to.deep.equal([shop.origin, '/app', '3', 'tmcp_ma_board', `${client.origin}/`]);
      expect(requests).to.deep.equal([{ path: '/app', policy: policyFor(client.origin) }]);
      await page.close();
      await takeAway('ma_board');
    });

    for (const [path, whom] of [['/closed', 'nobody'], ['/other', 'another client only']] as const) {
      it(`is not shown where its page admits ${whom}`, async function () {
        this.timeout(60_000);
        const id = `ma_${path.slice(1)}`;
        const blocked: string[] = [];
        context.on('console', (message) => blocked.push(message.text()));
        await publish(id, path);
        const page = await show(id);
        await eventually(() => expect(blocked.filter((text) => text.includes('frame-ancestors'))).to.have.length(1), { description: 'Chromium refuses to show it' });
        await eventually(() => expect(page.frames().slice(1).map((frame) => frame.url())).to.deep.equal(['chrome-error://chromewebdata/']), { description: 'its own page in the frame' });
        await page.close();
        await takeAway(id);
      });
    }
  });
});
