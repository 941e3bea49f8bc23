import { expect } from 'chai';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';

interface EventJob {
  readonly event: { readonly type: string; readonly place: object; readonly stateKey?: string; readonly content: Record<string, unknown> };
}

const town = '!town:example.org';
const plaza = '!plaza:example.org';
const creators = '!creators:example.org';
const alice = '@alice:example.org';
const bot = '@_tmcp:example.org';

onBothDatabases('the life of an installation', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
    for (const person of ['alice', 'bob']) server.identity.whoami.set(`syt_${person}`, { user_id: `@${person}:example.org`, is_guest: false });
    const members = new Set([alice, '@bob:example.org', bot]);
    server.identity.rooms.set(town, { members, powerLevels: { users: { [alice]: 100, [bot]: 50 }, state_default: 50 } });
    server.identity.rooms.set(plaza, { members, powerLevels: { users: { [bot]: 100 }, users_default: 0, state_default: 50 } });
    server.identity.rooms.set(creators, { members, powerLevels: { users: { [bot]: 100 }, state_default: 50 }, create: { sender: alice, content: { room_version: '12' } } });
    for (const [id, entry] of [['ma_shop', 'https://shop.example/app'], ['ma_quiet', 'https://quiet.example']]) {
      const registered = await call(server.url, 'POST', '/mini-apps/v1/register', {
        token: server.adminToken,
        body: { miniapp_id: id, name: 'Shop', technical: { entry_url: entry, scopes_requested: ['user:read', 'wallet:pay', 'storage:read', 'storage:write'], ...(id === 'ma_shop' ? { webhook_url: 'https://shop.example/hook' } : {}) } },
      });
      expect(registered.status).to.equal(201);
      await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
    }
  });
  after(() => server.close());

  const tokenOf = (person: string): Promise<string> => firstPartyToken(server.url, `syt_${person}`, 'tmcp_store');
  const install = async (person: string, id: string, body: object = {}): Promise<ApiResponse> => call(server.url, 'POST', `/api/v1/store/apps/${id}/install`, { token: await tokenOf(person), body });
  const uninstall = async (person: string, id: string): Promise<ApiResponse> => call(server.url, 'DELETE', `/api/v1/store/apps/${id}/install`, { token: await tokenOf(person) });
  const eventsOf = async (type: string, place: object): Promise<EventJob['event'][]> => (await queued<EventJob>(server.database, 'matrix.event')).map(({ event }) => event).filter((event) => event.type === type && JSON.stringify(event.place) === JSON.stringify(place));
  const deliveries = async (): Promise<{ event: string; data: Record<string, unknown> }[]> =>
    (await server.database.sql<{ payload: string }>('webhook_delivery').orderBy('created_at').orderBy('id').select('payload'))
      .map(({ payload }) => JSON.parse(payload) as { event: string; data: Record<string, unknown> })
      .filter(({ event }) => event !== 'app.status_changed');

  it("tells the mini-app's server who installed what, and only on the first time", async () => {
    const { body } = await install('alice', 'ma_shop', { room_id: town });
    await install('alice', 'ma_shop');
    const sent = await deliveries();
    expect(sent.map(({ event }) => event)).to.deep.equal(['app.installed']);
    const { timestamp, ...data } = sent[0]!.data;
    expect(data).to.deep.equal({ user_id: alice, miniapp_id: 'ma_shop', install_id: body.install_id, version: '1.0.0', room_id: town });
    expect(new Date(timestamp as string).getTime()).to.be.closeTo(server.clock.now(), 60_000);
    await install('alice', 'ma_quiet');
    expect(await deliveries(), 'an app without a server').to.have.length(1);
  });

  it('grants nothing', async () => {
    const refused = await exchange(server.url, 'syt_alice', { client_id: 'ma_shop', scope: 'wallet:pay' });
    expect([refused.status, refused.body.error]).to.deep.equal([403, 'consent_required']);
  });

  it('goes into another room later, which hears of it once', async () => {
    expect((await install('alice', 'ma_shop', { room_id: plaza })).body.status).to.equal('installed');
    await install('alice', 'ma_shop', { room_id: plaza });
    expect(await eventsOf('m.tween.miniapp.installed', { room: plaza })).to.have.length(1);
    expect(await eventsOf('m.tween.miniapp.app', { room: plaza })).to.have.length(1);
    expect((await eventsOf('m.tween.miniapp.installed', { noticesOf: alice })).filter(({ content }) => content.miniapp_id === 'ma_shop')).to.have.length(1);
  });

  it('shows the app as a widget where both user and bot may', async () => {
    const asked = await install('alice', 'ma_shop', { room_id: town, widget: true });
    expect(asked.status).to.equal(200);
    await install('alice', 'ma_shop', { room_id: town, widget: true });
    const [widget, ...more] = await eventsOf('im.vector.modular.widgets', { room: town });
    expect(more).to.deep.equal([]);
    expect(widget).to.deep.include({ stateKey: 'tmcp_ma_shop', content: { id: 'tmcp_ma_shop', type: 'm.custom', name: 'Shop', url: 'https://shop.example/app', creatorUserId: alice, data: { title: 'Shop' } } });
    expect((await install('alice', 'ma_shop', { room_id: creators, widget: true })).status, 'the creator of a room of version 12 outranks its levels').to.equal(200);
  });

  it("lends the bot's power to nobody", async () => {
    for (const [person, room] of [['alice', plaza], ['bob', town], ['bob', creators]]) {
      const { status, body } = await install(person!, 'ma_shop', { room_id: room, widget: true });
      expect([status, body.error.code], `${person} in ${room}`).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    }
    expect((await install('bob', 'ma_shop', { widget: true })).body.error.details[0].field).to.equal('widget');
    expect((await install('alice', 'ma_official_gifts', { room_id: town, widget: true })).body.error.details[0].field, 'no browser opens tween-internal:').to.equal('widget');
    expect((await call(server.url, 'GET', '/api/v1/store/apps/ma_shop', { token: await tokenOf('bob') })).body.installed).to.equal(false);
  });

  it('takes everything with it: data, permissions, sessions, widgets; and says so wherever it was', async () => {
    const launch = await call(server.url, 'POST', '/api/v1/store/apps/ma_shop/launch', { token: await tokenOf('alice'), body: {} });
    expect(launch.status).to.equal(201);
    const session = (await exchange(server.url, 'syt_alice', { client_id: 'ma_shop' })).body.access_token as string;
    expect((await call(server.url, 'PUT', '/api/v1/storage/cart', { token: session, body: { value: 1 } })).status).to.equal(200);
    expect((await uninstall('alice', 'ma_shop')).status).to.equal(200);
    expect((await call(server.url, 'GET', '/api/v1/storage/cart', { token: session })).status).to.equal(401);
    const again = (await exchange(server.url, 'syt_alice', { client_id: 'ma_shop' })).body.access_token as string;
    expect((await call(server.url, 'GET', '/api/v1/storage/cart', { token: again })).status).to.equal(404);
    expect(await server.database.sql('launch_session').where({ user_id: alice, miniapp_id: 'ma_shop' })).to.deep.equal([]);
    for (const place of [{ noticesOf: alice }, { room: town }, { room: plaza }, { room: creators }]) {
      const [event, ...more] = await eventsOf('m.tween.miniapp.uninstalled', place);
      expect([event?.content.miniapp_id, more.length]).to.deep.equal(['ma_shop', 0]);
      expect(event?.content.data_cleanup).to.deep.equal({ storage_cleared: true, permissions_revoked: true });
    }
    for (const room of [town, creators]) expect((await eventsOf('im.vector.modular.widgets', { room })).map(({ content }) => content).at(-1), room).to.deep.equal({});
    expect(await eventsOf('im.vector.modular.widgets', { room: plaza })).to.deep.equal([]);
    const sent = (await deliveries()).filter(({ event }) => event.startsWith('app.'));
    expect(sent.map(({ event }) => event)).to.deep.equal(['app.installed', 'app.uninstalled']);
    expect(sent[1]!.data).to.include({ user_id: alice, miniapp_id: 'ma_shop', reason: 'user_initiated', install_id: sent[0]!.data.install_id });
  });

  it('leaves a widget that somebody else wants too', async () => {
    server.identity.rooms.set(town, { members: new Set([alice, '@bob:example.org', bot]), powerLevels: { users_default: 50, state_default: 50 } });
    for (const person of ['alice', 'bob']) expect((await install(person, 'ma_shop', { room_id: town, widget: true })).status).to.equal(200);
    const widgets = async (): Promise<number> => (await eventsOf('im.vector.modular.widgets', { room: town })).filter(({ content }) => Object.keys(content).length === 0).length;
    const before = await widgets();
    await uninstall('bob', 'ma_shop');
    expect(await widgets()).to.equal(before);
    await uninstall('alice', 'ma_shop');
    expect(await widgets()).to.equal(before + 1);
  });

  it('keeps widgets at what the app is, and takes them away when it is suspended', async () => {
    const id = 'ma_quiet';
    expect((await install('alice', id, { room_id: town, widget: true })).status).to.equal(200);
    const admin = (what: string, body: object = {}): Promise<ApiResponse> => call(server.url, 'POST', what, { token: server.adminToken, body });
    const last = async () => (await eventsOf('im.vector.modular.widgets', { room: town })).filter(({ stateKey }) => stateKey === `tmcp_${id}`).at(-1);
    /** What the worker would do: everything that is queued. */
    const work = async (): Promise<void> => {
      for (const body of await queued<object>(server.database, 'catalog.widgets')) {
        const record = await server.app.jobs['catalog.widgets']!.run({ id: 'x', stream: 'x', kind: 'catalog.widgets', body, attempt: 1, createdAt: 0, unsettledSince: undefined });
        if (record !== undefined) await server.database.inTransaction(record);
      }
      await server.database.sql('job').where({ kind: 'catalog.widgets' }).delete();
    };
    expect((await admin(`/mini-apps/v1/${id}/versions`, { version: '2.0.0', changes: { technical: { entry_url: 'https://quiet.example/two' } } })).status).to.equal(201);
    expect((await admin(`/admin/v1/mini-apps/${id}/approve`)).body.status).to.equal('active');
    await work();
    expect(await last()).to.deep.include({ replacesOnly: true }).and.nested.include({ 'content.url': 'https://quiet.example/two', 'content.creatorUserId': alice });
    await admin(`/admin/v1/mini-apps/${id}/suspend`, { reason: 'Complaints' });
    await work();
    expect((await last())?.content).to.deep.equal({});
    await admin(`/admin/v1/mini-apps/${id}/reinstate`);
    await work();
    expect((await last())?.content, 'not by itself').to.deep.equal({});
    await install('alice', id, { room_id: town, widget: true });
    expect((await last())?.content.url).to.equal('https://quiet.example/two');
    expect((await uninstall('alice', id)).status).to.equal(200);
    expect((await last())?.content).to.deep.equal({});
  });

  it('does not remove what is mandatory, and says why', async () => {
    const { status, body } = await uninstall('alice', 'ma_official_wallet');
    expect([status, body.error.code, body.error.message]).to.deep.equal([403, 'APP_NOT_REMOVABLE', 'This system app cannot be removed']);
  });
});
