import { expect } from 'chai';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';

const room = '!town:example.org';

onBothDatabases('launches and ratings', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
    for (const person of ['alice', 'bob', 'carol']) server.identity.whoami.set(`syt_${person}`, { user_id: `@${person}:example.org`, is_guest: false });
    server.identity.rooms.set(room, { members: new Set(['@alice:example.org', '@_tmcp:example.org']) });
    for (const id of ['ma_chess', 'ma_go']) {
      await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: id, name: id, technical: { entry_url: 'https://a.example', scopes_requested: ['user:read'] } } });
      await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
    }
  });
  after(() => server.close());

  const store = (person: string): Promise<string> => firstPartyToken(server.url, `syt_${person}`, 'tmcp_store');
  const at = (id: string, what: string): string => `/api/v1/store/apps/${id}/${what}`;
  const post = (token: string, id: string, what: string, body: object = {}): Promise<ApiResponse> => call(server.url, 'POST', at(id, what), { token, body });
  const rate = (token: string, id: string, rating: unknown): Promise<ApiResponse> => call(server.url, 'PUT', at(id, 'rating'), { token, body: { rating } });
  const take = (token: string, id: string): Promise<ApiResponse> => call(server.url, 'DELETE', at(id, 'rating'), { token });
  const shown = async (id: string, token?: string): Promise<unknown> => (await call(server.url, 'GET', `/api/v1/store/apps/${id}`, token === undefined ? {} : { token })).body.rating;

  it('counts the rating of somebody who has the app and has opened it, not before', async () => {
    const alice = await store('alice');
    expect((await rate(alice, 'ma_chess', 5)).body.error.code, 'neither').to.equal('INSUFFICIENT_PERMISSIONS');
    await post(alice, 'ma_chess', 'launch');
    expect((await rate(alice, 'ma_chess', 5)).body.error.code, 'opened only').to.equal('INSUFFICIENT_PERMISSIONS');
    const bob = await store('bob');
    await post(bob, 'ma_chess', 'install');
    expect((await rate(bob, 'ma_chess', 5)).status, 'installed only').to.equal(403);
    await post(alice, 'ma_chess', 'install');
    expect((await rate(alice, 'ma_chess', 5)).body).to.deep.equal({ miniapp_id: 'ma_chess', rating: { average: 5, count: 1 }, your_rating: 5 });
    await post(bob, 'ma_chess', 'launch');
    expect((await rate(bob, 'ma_chess', 2)).body.rating).to.deep.equal({ average: 3.5, count: 2 });
    expect(await shown('ma_chess')).to.deep.equal({ average: 3.5, count: 2 });
    expect((await call(server.url, 'GET', '/api/v1/store/apps/ma_chess', { token: bob })).body.your_rating).to.equal(2);
  });

  it('counts one account once, from however many devices and at the same moment', async () => {
    const carol = await store('carol');
    await post(carol, 'ma_go', 'install');
    await post(carol, 'ma_go', 'launch');
    server.identity.whoami.set('syt_carol_2', { user_id: '@carol:example.org', device_id: 'SECOND', is_guest: false });
    const second = await firstPartyToken(server.url, 'syt_carol_2', 'tmcp_store');
    const answers = await Promise.all([1, 2, 3, 4, 5, 4, 3, 2].map((stars, n) => rate(n % 2 === 0 ? carol : second, 'ma_go', stars)));
    expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([200]));
    expect(((await shown('ma_go')) as { count: number }).count).to.equal(1);
    await rate(second, 'ma_go', 4);
    expect(await shown('ma_go')).to.deep.equal({ average: 4, count: 1 });
    expect((await take(carol, 'ma_go')).body.rating).to.deep.equal({ average: 0, count: 0 });
    expect((await take(carol, 'ma_go')).body.error.code).to.equal('NOT_FOUND');
  });

  it('refuses what is no number of stars, naming the field', async () => {
    const alice = await store('alice');
    for (const rating of [0, 6, 4.5, '5', null, undefined]) {
      const { status, body } = await rate(alice, 'ma_chess', rating);
      expect([status, body.error?.details[0].field], String(rating)).to.deep.equal([400, 'rating']);
    }
    expect((await rate(alice, 'ma_none', 3)).body.error.code).to.equal('APP_NOT_FOUND');
  });

  it('sorts by rating, of which few say little', async () => {
    const names = (await call(server.url, 'GET', '/api/v1/store/apps?sort=rating')).body.apps as { miniapp_id: string }[];
    const alice = await store('alice');
    await post(alice, 'ma_go', 'install');
    await post(alice, 'ma_go', 'launch');
    await rate(alice, 'ma_go', 5);
    const after = (await call(server.url, 'GET', '/api/v1/store/apps?sort=rating')).body.apps as { miniapp_id: string }[];
    expect(after[0]?.miniapp_id).to.equal('ma_go');
    expect(new Set(after.map((app) => app.miniapp_id))).to.deep.equal(new Set(names.map((app) => app.miniapp_id)));
  });

  it('begins a session under the name that the client gives it, once', async () => {
    const alice = await store('alice');
    const first = await post(alice, 'ma_chess', 'launch', { session_id: 'session_of_alice', launch_source: 'deep_link', launch_params: { product: 1.5 } });
    expect(first.status).to.equal(201);
    expect(first.body).to.include({ miniapp_id: 'ma_chess', session_id: 'session_of_alice', launch_source: 'deep_link', entry_point: 'https://a.example', version: '1.0.0' });
    expect((await post(await store('bob'), 'ma_go', 'launch', { session_id: 'session_of_alice' })).body.error.code).to.equal('ALREADY_EXISTS');
    expect((await post(await store('alice'), 'ma_none', 'launch')).body.error.code).to.equal('APP_NOT_FOUND');
  });

  it('tells a room that both are in, and refuses every other one alike', async () => {
    await post(await store('alice'), 'ma_chess', 'launch', { room_id: room });
    const events = (await queued<{ event: { type: string; place: object; content: Record<string, unknown> } }>(server.database, 'matrix.event')).filter(({ event }) => event.type === 'm.tween.miniapp.launched');
    expect(events.map(({ event }) => [event.place, event.content.miniapp_id, event.content.sender])).to.deep.equal([[{ room }, 'ma_chess', '@alice:example.org']]);
    for (const [person, roomId] of [['bob', room], ['alice', '!elsewhere:example.org']]) {
      const { status, body } = await post(await store(person!), 'ma_chess', 'launch', { room_id: roomId });
      expect([status, body.error.code]).to.deep.equal([403, 'ROOM_NOT_ALLOWED']);
    }
    expect((await post(await store('alice'), 'ma_chess', 'launch', { room_id: 'no room' })).body.error.details[0].field).to.equal('room_id');
  });

  for (const [method, what] of [['PUT', 'rating'], ['DELETE', 'rating'], ['POST', 'launch']] as const) {
    it(`${method} ${what}: not without a token, nor with a mini-app's, another audience's or a revoked one`, async () => {
      const status = async (token?: string): Promise<number> => (await call(server.url, method, at('ma_chess', what), { ...(token === undefined ? {} : { token }), ...(method === 'DELETE' ? {} : { body: what === 'rating' ? { rating: 1 } : {} }) })).status;
      const before = await shown('ma_chess');
      expect(await status()).to.equal(401);
      expect(await status('syt_alice')).to.equal(401);
      expect(await status(server.adminToken)).to.equal(401);
      expect(await status((await exchange(server.url, 'syt_alice', { client_id: 'ma_chess' })).body.access_token as string)).to.equal(403);
      expect(await status(await firstPartyToken(server.url, 'syt_alice', 'tmcp_p2p'))).to.equal(403);
      const revoked = await store('alice');
      await store('alice');
      expect(await status(revoked)).to.equal(401);
      expect(await shown('ma_chess')).to.deep.equal(before);
    });
  }
});
