import { expect } from 'chai';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';

interface EventJob {
  event: { type: string; place: object; content: { miniapp_id: string } };
}

onBothDatabases('the store', (databases) => {
  let server: WholeServer;
  let token: string;
  before(async () => {
    server = await startWholeServer(databases);
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', is_guest: false });
    server.identity.whoami.set('syt_bob', { user_id: '@bob:example.org', is_guest: false });
    for (const [id, name, category, classification] of [
      ['ma_chess', 'Chess', 'games', 'community'],
      ['ma_go', 'Go', 'games', 'verified'],
      ['ma_beta', 'Beta game', 'games', 'beta'],
      ['ma_shop', 'Shop 100% "real"', 'shopping', 'community'],
    ]) {
      await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: id, name, category, classification, technical: { entry_url: 'https://a.example', scopes_requested: ['storage:read', 'wallet:pay'] } } });
      await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
    }
    await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: 'ma_waiting', name: 'Waiting', technical: { entry_url: 'https://a.example' } } });
  });
  beforeEach(async () => {
    token = await firstPartyToken(server.url, 'syt_alice', 'tmcp_store');
  });
  after(() => server.close());

  const get = (path: string, as?: string): Promise<ApiResponse> => call(server.url, 'GET', path, as === undefined ? {} : { token: as });
  const names = ({ body }: ApiResponse): string[] => (body.apps as { name: string }[]).map((app) => app.name);
  const install = (id: string, as = token, body?: unknown): Promise<ApiResponse> => call(server.url, 'POST', `/api/v1/store/apps/${id}/install`, { token: as, body });
  const uninstall = (id: string, as = token): Promise<ApiResponse> => call(server.url, 'DELETE', `/api/v1/store/apps/${id}/install`, { token: as });
  const eventsOf = async (type: string, id: string): Promise<EventJob[]> => (await queued<EventJob>(server.database, 'matrix.event')).filter(({ event }) => event.type === type && event.content.miniapp_id === id);

  it('shows active apps to anyone, and beta ones only when asked for', async () => {
    expect(names(await get('/api/v1/store/apps?category=games&sort=name'))).to.deep.equal(['Chess', 'Go']);
    expect(names(await get('/api/v1/store/apps?classification=beta'))).to.deep.equal(['Beta game']);
    expect(names(await get('/api/v1/store/apps?search=waiting'))).to.deep.equal([]);
  });

  it('pages without a gap or an overlap', async () => {
    const all = names(await get('/api/v1/store/apps?sort=name&limit=100'));
    const pages: string[] = [];
    for (let offset = 0; ; offset += 2) {
      const page = await get(`/api/v1/store/apps?sort=name&limit=2&offset=${offset}`);
      pages.push(...names(page));
      expect(page.body.pagination).to.deep.equal({ total: all.length, limit: 2, offset, has_more: pages.length < all.length });
      if (pages.length >= all.length) break;
    }
    expect(pages).to.deep.equal(all);
  });

  it('searches literally', async () => {
    expect(names(await get(`/api/v1/store/apps?search=${encodeURIComponent('100%')}`))).to.deep.equal(['Shop 100% "real"']);
    expect(names(await get(`/api/v1/store/apps?search=${encodeURIComponent('S%p')}`))).to.deep.equal([]);
    expect(names(await get(`/api/v1/store/apps?search=${encodeURIComponent("' OR 1=1 --")}`))).to.deep.equal([]);
  });

  it('refuses a query that means nothing, naming the parameter', async () => {
    for (const [query, field] of [['limit=0', 'limit'], ['limit=many', 'limit'], ['sort=best', 'sort'], ['colour=red', 'colour'], ['limit=5&limit=6', 'limit']]) {
      const { status, body } = await get(`/api/v1/store/apps?${query}`);
      expect(status, query).to.equal(400);
      expect(body.error.details[0].field, query).to.equal(field);
    }
  });

  it('answers one app, and 404 for one that is not active', async () => {
    const { body } = await get('/api/v1/store/apps/ma_chess');
    expect(body).to.include({ miniapp_id: 'ma_chess', installed: false, preinstalled: false, removable: true, install_mode: 'optional' });
    expect(body.apps).to.have.length(1);
    expect((await get('/api/v1/store/apps/ma_waiting')).status).to.equal(404);
    expect((await get('/api/v1/store/apps/ma_none')).body.error.code).to.equal('APP_NOT_FOUND');
  });

  it('installs once, counts it once, and says it once', async () => {
    const first = await install('ma_chess');
    const second = await install('ma_chess');
    expect(first.body.status).to.equal('installing');
    expect(second.body).to.deep.equal({ ...first.body, status: 'installed' });
    expect((await get('/api/v1/store/apps/ma_chess', token)).body).to.include({ installed: true, install_count: 1 });
    expect(await eventsOf('m.tween.miniapp.installed', 'ma_chess')).to.have.length(1);
  });

  it('installs once when two devices ask at the same moment', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => install('ma_go')));
    expect(answers.map(({ status }) => status)).to.deep.equal(Array.from({ length: 8 }, () => 200));
    expect(new Set(answers.map(({ body }) => body.install_id as string)).size).to.equal(1);
    expect((await get('/api/v1/store/apps/ma_go')).body.install_count).to.equal(1);
    expect(await eventsOf('m.tween.miniapp.installed', 'ma_go')).to.have.length(1);
  });

  it('lists what is preinstalled and what was installed, in display order', async () => {
    expect(names(await get('/api/v1/client/installed', token))).to.deep.equal(['Chess', 'Go', 'Wallet', 'Mini-app store', 'Gifts']);
  });

  it("keeps each user's apps apart", async () => {
    const bobs = await firstPartyToken(server.url, 'syt_bob', 'tmcp_store');
    expect(names(await get('/api/v1/client/installed', bobs))).to.deep.equal(['Wallet', 'Mini-app store', 'Gifts']);
    expect((await uninstall('ma_chess', bobs)).status).to.equal(404);
    expect((await get('/api/v1/store/apps/ma_chess', bobs)).body.installed).to.equal(false);
  });

  it('does not remove a system app', async () => {
    const { status, body } = await uninstall('ma_official_wallet');
    expect(status).to.equal(403);
    expect(body.error).to.include({ code: 'APP_NOT_REMOVABLE', message: 'This system app cannot be removed' });
  });

  it('removes an app that is there by default, remembers it, and brings it back', async () => {
    expect((await uninstall('ma_official_gifts')).status).to.equal(200);
    expect((await uninstall('ma_official_gifts')).status).to.equal(404);
    expect(names(await get('/api/v1/client/installed', token))).not.to.include('Gifts');
    expect((await install('ma_official_gifts')).body.status).to.equal('installing');
    expect(names(await get('/api/v1/client/installed', token))).to.include('Gifts');
  });

  it("ends the mini-app's tokens with the installation", async () => {
    const session = await exchange(server.url, 'syt_alice', { client_id: 'ma_chess' });
    expect(session.status).to.equal(200);
    const introspect = async (): Promise<unknown> => (await call(server.url, 'GET', '/api/v1/store/apps', { token: session.body.access_token as string })).status;
    expect(await introspect()).to.equal(403);
    expect((await uninstall('ma_chess')).status).to.equal(200);
    expect(await introspect()).to.equal(401);
    expect((await get('/api/v1/store/apps/ma_chess')).body.install_count).to.equal(0);
    expect(await eventsOf('m.tween.miniapp.uninstalled', 'ma_chess')).to.have.length(1);
  });

  it('leaves nothing to be installed of a suspended app, and none of its tokens good', async () => {
    const session = await exchange(server.url, 'syt_bob', { client_id: 'ma_shop' });
    const status = async (): Promise<number> => (await get('/api/v1/store/apps', session.body.access_token as string)).status;
    expect(await status()).to.equal(403);
    await call(server.url, 'POST', '/admin/v1/mini-apps/ma_shop/suspend', { token: server.adminToken, body: { reason: 'Fraud' } });
    expect((await install('ma_shop')).body.error.code).to.equal('APP_NOT_FOUND');
    expect(await status()).to.equal(401);
  });

  it('takes a form as it takes JSON', async () => {
    const response = await fetch(`${server.url}/api/v1/store/apps/ma_official_gifts/install`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: new URLSearchParams({ room_id: 'no room id' }) });
    const body = (await response.json()) as { error: { details: { field: string }[] } };
    expect(response.status).to.equal(400);
    expect(body.error.details[0]?.field).to.equal('room_id');
  });

  describe('lets in only the host client', () => {
    const operations: [string, string][] = [
      ['POST', '/api/v1/store/apps/ma_go/install'],
      ['DELETE', '/api/v1/store/apps/ma_go/install'],
      ['GET', '/api/v1/client/installed'],
    ];
    for (const [method, path] of operations) {
      it(`${method} ${path}: no token, a wrong one, a mini-app's, another audience's, a revoked one`, async () => {
        const status = async (as?: string): Promise<[number, string]> => {
          const answer = await call(server.url, method, path, as === undefined ? {} : { token: as });
          return [answer.status, answer.body.error?.code as string];
        };
        expect(await status()).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status('tep.eyJhbGciOiJub25lIn0.e30.')).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status('syt_alice')).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status(server.adminToken)).to.deep.equal([401, 'INVALID_TOKEN']);
        const miniapps = (await exchange(server.url, 'syt_alice', { client_id: 'ma_go' })).body.access_token as string;
        expect(await status(miniapps)).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        expect(await status(await firstPartyToken(server.url, 'syt_alice', 'tmcp_wallet'))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        const revoked = await firstPartyToken(server.url, 'syt_bob', 'tmcp_store');
        await firstPartyToken(server.url, 'syt_bob', 'tmcp_store');
        expect(await status(revoked)).to.deep.equal([401, 'INVALID_TOKEN']);
      });
    }
  });
});
