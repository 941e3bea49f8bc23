import { expect } from 'chai';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';

interface EventJob {
  readonly event: { readonly type: string; readonly place: object; readonly speaker: unknown; readonly content: Record<string, unknown> };
}

const town = '!town:example.org';
const secret = '!secret:example.org';
const alice = '@alice:example.org';
const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));
const card = {
  type: 'product',
  title: 'Walnut table',
  description: 'Two metres',
  image: 'mxc://example.org/image123',
  price: { amount: 7500.5, currency: 'USD' },
  actions: [{ type: 'button', label: 'Buy now', action: 'miniapp.open', params: { miniapp_id: 'ma_shop', path: '/product/123' } }],
};

onBothDatabases('rich cards', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_CATALOG_CARDS_PER_MINUTE: '3' });
    server.identity.whoami.set('syt_alice', { user_id: alice, is_guest: false });
    for (const room of [town, secret]) server.identity.rooms.set(room, { members: new Set([alice, '@_tmcp:example.org']) });
    await server.database.sql('encrypted_room').insert({ room_id: secret, told_at: 0 });
    for (const id of ['ma_shop', 'ma_other']) {
      await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: id, name: id, technical: { entry_url: 'https://a.example', scopes_requested: ['messaging:send', 'storage:read'] } } });
      await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
      const asked = await exchange(server.url, 'syt_alice', { client_id: id, scope: 'messaging:send' });
      await call(server.url, 'POST', asked.body.consent_ui_endpoint as string, { token: 'syt_alice', body: { approved_scopes: ['messaging:send'] } });
    }
  });
  beforeEach(() => server.clock.advance(60_000));
  after(() => server.close());

  const tokenIn = async (room: string | undefined, id = 'ma_shop', scope = 'messaging:send'): Promise<string> => {
    const { status, body } = await exchange(server.url, 'syt_alice', { client_id: id, scope, ...(room === undefined ? {} : { miniapp_context: JSON.stringify({ room_id: room }) }) });
    expect(status, JSON.stringify(body)).to.equal(200);
    return body.access_token as string;
  };
  const send = (token: string, room: string, what: object = card): Promise<ApiResponse> => call(server.url, 'POST', `/api/v1/rooms/${encodeURIComponent(room)}/cards`, { token, body: { card: what } });
  const sent = async (room: string): Promise<EventJob['event'][]> => (await queued<EventJob>(server.database, 'matrix.event')).map(({ event }) => event).filter((event) => event.content.msgtype === 'm.tween.card' && JSON.stringify(event.place) === JSON.stringify({ room }));

  it("are messages of the app's own user, with amounts that Matrix can carry", async () => {
    const { status, body } = await send(await tokenIn(town), town);
    expect(status).to.equal(202);
    const [event] = await sent(town);
    expect(event).to.deep.include({ type: 'm.room.message', speaker: { miniapp: 'ma_shop' } });
    expect(event?.content).to.deep.include({ miniapp_id: 'ma_shop', card_id: body.card_id, sender: alice, body: 'Walnut table\nTwo metres\n7500.50 USD' });
    expect(event?.content.card).to.deep.equal({ ...card, price: { amount: '7500.50', amount_minor: 750_050, currency: 'USD' } });
    expect(checkContent('m.tween.card', { ...event?.content, delivery_id: 'x' })).to.deep.equal([]);
  });

  it('carry no price in an encrypted room', async () => {
    expect((await send(await tokenIn(secret), secret)).status).to.equal(202);
    const [event] = await sent(secret);
    expect(JSON.stringify(event?.content)).to.not.include('7500');
    expect(event?.content.card).to.not.have.property('price');
  });

  it('go into the room of the launch and no other, whatever else the user is in', async () => {
    for (const [launchedIn, room] of [[town, secret], [town, '!none:example.org'], [undefined, town]] as const) {
      const { status, body } = await send(await tokenIn(launchedIn), room);
      expect([status, body.error.code], room).to.deep.equal([403, 'ROOM_NOT_ALLOWED']);
    }
    const token = await tokenIn(town);
    server.identity.rooms.set(town, { members: new Set(['@_tmcp:example.org']) });
    // What is remembered of a room is five minutes old at most.
    server.clock.advance(6 * 60_000);
    expect((await send(token, town)).body.error.code, 'who has left').to.equal('ROOM_NOT_ALLOWED');
    server.identity.rooms.set(town, { members: new Set([alice, '@_tmcp:example.org']) });
    server.clock.advance(6 * 60_000);
  });

  it('are counted by app and room', async () => {
    const [shop, other] = [await tokenIn(town), await tokenIn(town, 'ma_other')];
    const mine = { type: 'note', title: 'Hello' };
    const answers = await Promise.all(Array.from({ length: 6 }, () => send(shop, town, mine)));
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([202, 202, 202, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.body.error.code).to.equal('RATE_LIMIT_EXCEEDED');
    expect(Number(refused.headers.get('retry-after'))).to.be.within(1, 60);
    expect((await send(other, town, mine)).status, 'another app').to.equal(202);
    server.clock.advance(60_000);
    expect((await send(shop, town, mine)).status, 'a minute later').to.equal(202);
  });

  it('are refused when malformed, naming the field', async () => {
    const token = await tokenIn(town);
    const action = card.actions[0]!;
    const wrong: [object, string][] = [
      [{ ...card, title: '' }, 'card.title'],
      [{ ...card, image: 'https://evil.example/pixel.png' }, 'card.image'],
      [{ ...card, html: '<b>' }, 'card.html'],
      [{ ...card, price: { amount: 1.005, currency: 'USD' } }, 'card.price.amount'],
      [{ ...card, price: { amount: -1, currency: 'USD' } }, 'card.price.amount'],
      [{ ...card, price: { amount: 1, currency: 'XXX' } }, 'card.price.currency'],
      [{ ...card, actions: [{ ...action, params: { miniapp_id: 'ma_other' } }] }, 'card.actions.0.params.miniapp_id'],
      [{ ...card, actions: [{ ...action, params: { path: '//evil.example' } }] }, 'card.actions.0.params.path'],
      [{ ...card, actions: [{ ...action, action: 'open.url' }] }, 'card.actions.0.action'],
      [{ ...card, actions: Array.from({ length: 6 }, () => action) }, 'card.actions'],
    ];
    for (const [what, field] of wrong) {
      const { status, body } = await send(token, town, what);
      expect([status, body.error?.details[0].field], field).to.deep.equal([400, field]);
    }
  });

  it('need the scope, and a token that is good', async () => {
    const status = async (token?: string): Promise<[number, unknown]> => {
      const answered = await call(server.url, 'POST', `/api/v1/rooms/${encodeURIComponent(town)}/cards`, { ...(token === undefined ? {} : { token }), body: { card } });
      return [answered.status, answered.body.error?.code];
    };
    expect(await status()).to.deep.equal([401, 'INVALID_TOKEN']);
    expect(await status('syt_alice')).to.deep.equal([401, 'INVALID_TOKEN']);
    expect(await status(await tokenIn(town, 'ma_shop', 'storage:read'))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    expect(await status(await firstPartyToken(server.url, 'syt_alice', 'tmcp_wallet'))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    const revoked = await tokenIn(town);
    await tokenIn(town);
    expect(await status(revoked)).to.deep.equal([401, 'INVALID_TOKEN']);
  });
});
