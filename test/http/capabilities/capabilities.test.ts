import { expect } from 'chai';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

onBothDatabases('capabilities', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_CAPABILITIES_DISABLED: 'location', TMCP_STORAGE_MAX_BYTES: '20000000' });
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', is_guest: false });
    await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: 'ma_shop', name: 'Shop', technical: { entry_url: 'https://a.example', scopes_requested: ['storage:read', 'storage:write', 'messaging:send'] } } });
    await call(server.url, 'POST', '/admin/v1/mini-apps/ma_shop/approve', { token: server.adminToken, body: {} });
  });
  after(() => server.close());

  const app = async (parameters: Readonly<Record<string, string>> = {}): Promise<string> => (await exchange(server.url, 'syt_alice', { client_id: 'ma_shop', ...parameters })).body.access_token as string;
  const get = (token: string | undefined, path = ''): Promise<ApiResponse> => call(server.url, 'GET', `/api/v1/capabilities${path}`, token === undefined ? {} : { token });

  it('are those of the platform', async () => {
    const token = await app();
    const on = async (platform: string): Promise<Record<string, object>> => (await get(token, `?platform=${platform}&client_version=2.1.0`)).body.capabilities as Record<string, object>;
    expect((await on('ios')).camera).to.deep.equal({ available: true, requires_permission: true, supported_modes: ['photo', 'qr_scan', 'video'] });
    expect((await on('desktop')).camera).to.deep.equal({ available: false, reason: 'platform' });
    expect((await on('web')).biometric).to.deep.equal({ available: true, types: ['pin'] });
    const { body } = await get(token, '?platform=android&client_version=2.1.0');
    expect(body.platform).to.deep.equal({ platform: 'android', client_version: '2.1.0', tmcp_version: '1.9.0' });
    expect(body.features).to.deep.include({ group_gifts: true, p2p_transfers: true });
    expect((await get(token)).body.platform.platform).to.equal('web');
    expect((await get(await app({ miniapp_context: '{"platform":"ios"}' }))).body.platform.platform, 'as the client said when it launched the app').to.equal('ios');
    expect((await get(await app(), '?platform=toaster')).body.error.details[0].field).to.equal('platform');
  });

  it('are those that the token opens', async () => {
    const { capabilities } = (await get(await app())).body as { capabilities: Record<string, object> };
    expect(capabilities.storage).to.deep.equal({ available: true, quota_bytes: 20_000_000, persistent: true });
    expect(capabilities.messaging).to.deep.equal({ available: false, reason: 'missing_scope', required_scopes: ['messaging:send'] });
    const asked = await exchange(server.url, 'syt_alice', { client_id: 'ma_shop', scope: 'messaging:send' });
    await call(server.url, 'POST', asked.body.consent_ui_endpoint as string, { token: 'syt_alice', body: { approved_scopes: ['messaging:send'] } });
    const granted = (await get(await app({ scope: 'messaging:send' }))).body.capabilities as Record<string, object>;
    expect(granted.messaging).to.deep.equal({ available: true, rich_cards: true, file_upload: false });
    expect(granted.storage).to.include({ available: false, reason: 'missing_scope' });
  });

  it('say of money what the server has', async () => {
    const payment = (await get(await app(), '/payment')).body as { available: boolean; reason: string };
    const { features } = (await get(await app())).body as { features: { miniapp_payments: boolean } };
    expect(payment).to.include(features.miniapp_payments ? { available: false, reason: 'missing_scope' } : { available: false, reason: 'not_offered' });
    const wallet = await get(await firstPartyToken(server.url, 'syt_alice', 'tmcp_wallet'), '/payment');
    expect(wallet.body.available).to.equal(features.miniapp_payments);
  });

  it('can be asked one by one, and can be switched off', async () => {
    const token = await app();
    expect((await get(token, '/location?platform=ios')).body).to.deep.include({ capability: 'location', available: false, reason: 'disabled' });
    expect((await get(token, '/storage')).body).to.deep.include({ capability: 'storage', available: true });
    for (const name of ['teleport', '__proto__', 'constructor']) expect([(await get(token, `/${name}`)).status, (await get(token, `/${name}`)).body.error.code], name).to.deep.equal([404, 'NOT_FOUND']);
  });

  for (const path of ['', '/camera']) {
    it(`${path === '' ? 'all' : 'one'}: not without a token that is good`, async () => {
      expect((await get(undefined, path)).status).to.equal(401);
      expect((await get(server.adminToken, path)).status).to.equal(401);
      const revoked = await app();
      await app();
      expect((await get(revoked, path)).status).to.equal(401);
    });
  }
});
