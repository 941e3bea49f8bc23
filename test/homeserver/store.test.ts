import { expect } from 'chai';
import { loadEventSchemas } from '../../src/http/index.ts';
import { call, exchange, firstPartyToken } from '../support/api.ts';
import type { MatrixUser, ReceivedEvent } from '../support/matrix-user.ts';
import { BOT, startNeighbourhood, type Neighbourhood } from '../support/neighbourhood.ts';
import { tmcpPrints } from '../support/tmcp.ts';

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
});
