import { expect } from 'chai';
import { call, exchange, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { foundWith, signIn, startPlatform } from '../developers/support.ts';

const technical = { entry_url: 'https://shop.example/', webhook_url: 'https://hooks.shop.example/tmcp', client_type: 'hybrid', scopes_requested: ['user:read', 'storage:read', 'wallet:pay'] };

onBothDatabases('webhooks of an app', (databases) => {
  let server: WholeServer;
  /** Dana owns the organisation, Erin views, Frank has nothing to do with it. */
  let tokens: Record<'dana' | 'erin' | 'frank' | 'admin', string>;
  let clientSecret: string;

  before(async () => {
    server = await startPlatform(databases, ['dana', 'erin', 'frank']);
    const [dana, erin, frank] = [await signIn(server, 'dana'), await signIn(server, 'erin'), await signIn(server, 'frank')];
    const orgId = await foundWith(server, dana, { erin: { tokens: erin, role: 'viewer' } });
    tokens = { dana: dana.access, erin: erin.access, frank: frank.access, admin: server.adminToken };
    const registered = await as('admin', 'POST', '/mini-apps/v1/register', { miniapp_id: 'ma_shop', name: 'Shop', technical, organization_id: orgId });
    expect(registered.status).to.equal(201);
    clientSecret = registered.body.credentials.confidential_client.client_secret as string;
    expect(registered.body.credentials.webhook_secret).to.match(/^whsec_[A-Za-z0-9+/]{43}=$/);
    await as('admin', 'POST', '/mini-apps/v1/register', { miniapp_id: 'ma_silent', name: 'Silent', technical: { entry_url: 'https://silent.example/' }, organization_id: orgId });
    for (const id of ['ma_shop', 'ma_silent']) await as('admin', 'POST', `/admin/v1/mini-apps/${id}/approve`, {});
    // What they were told of their registration is not these tests' matter.
    await server.database.sql('webhook_delivery').delete();
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', device_id: 'A', is_guest: false });
  });
  after(() => server.close());

  const as = (who: keyof typeof tokens, method: string, path: string, body?: unknown): Promise<ApiResponse> => call(server.url, method, path, { token: tokens?.[who] ?? server.adminToken, ...(body === undefined ? {} : { body }) });
  const path = '/mini-apps/v1/ma_shop/webhooks';

  it('are told when a user withdraws scopes: the row is there with the answer', async () => {
    const { body } = await exchange(server.url, 'syt_alice', { client_id: 'ma_shop' });
    expect(body.scope).to.equal('storage:read');
    await call(server.url, 'POST', '/api/v1/auth/revoke', { token: 'syt_alice', body: { miniapp_id: 'ma_shop' } });
    const { deliveries } = (await as('dana', 'GET', `${path}/deliveries`)).body as { deliveries: { delivery_id: string }[] };
    expect(deliveries).to.have.length(1);
    expect(deliveries[0]).to.include({ event: 'scope.revoked', state: 'pending', attempts: 0 });
    const row = await server.database.sql<{ id: string; payload: string }>('webhook_delivery').where({ id: deliveries[0]!.delivery_id }).first();
    expect((JSON.parse(row!.payload) as { data: object }).data).to.deep.include({ user_id: '@alice:example.org', revoked_scopes: ['storage:read'], reason: 'user_initiated' });
  });

  it('are tried and listed page by page, by who may', async () => {
    const sent = [await as('dana', 'POST', `${path}/test`), await as('admin', 'POST', `${path}/test`)];
    expect(sent.map(({ status }) => status)).to.deep.equal([202, 202]);
    for (const who of ['dana', 'erin', 'admin'] as const) expect((await as(who, 'GET', `${path}/deliveries`)).body.deliveries, who).to.have.length(3);
    const first = await as('erin', 'GET', `${path}/deliveries?limit=2`);
    const second = await as('erin', 'GET', `${path}/deliveries?limit=2&before=${first.body.next_before}`);
    expect(new Set([first, second].flatMap(({ body }) => (body.deliveries as { delivery_id: string }[]).map((one) => one.delivery_id))).size).to.equal(3);
    expect((await as('erin', 'GET', `${path}/deliveries?state=delivered`)).body.deliveries).to.deep.equal([]);
    expect((await as('erin', 'GET', `${path}/deliveries?before=evt_none`)).status).to.equal(400);
    expect((await as('dana', 'POST', '/mini-apps/v1/ma_silent/webhooks/test')).body.error).to.deep.include({ code: 'INVALID_REQUEST' });
  });

  it('are replayed when they are settled', async () => {
    const id = (await as('dana', 'POST', `${path}/test`)).body.delivery_id as string;
    expect((await as('dana', 'POST', `${path}/deliveries/${id}/replay`)).body.error.code).to.equal('INVALID_STATE_TRANSITION');
    await server.database.sql('webhook_delivery').where({ id }).update({ state: 'failed', attempts: 5, settled_at: server.clock.now() });
    const replayed = await as('dana', 'POST', `${path}/deliveries/${id}/replay`);
    expect([replayed.status, replayed.body.state, replayed.body.attempts]).to.deep.equal([202, 'pending', 0]);
    expect((await as('dana', 'POST', `/mini-apps/v1/ma_silent/webhooks/deliveries/${id}/replay`)).status).to.equal(404);
  });

  it('are closed to viewers where something happens, and to others altogether', async () => {
    for (const [method, where] of [['POST', `${path}/test`], ['POST', `${path}/deliveries/evt_x/replay`], ['POST', '/mini-apps/v1/ma_shop/secrets/rotate']] as const) {
      const body = where.endsWith('rotate') ? { secret: 'webhook' } : undefined;
      expect((await as('erin', method, where, body)).body.error.code, where).to.equal('INSUFFICIENT_PERMISSIONS');
      expect((await as('frank', method, where, body)).body.error.code, where).to.equal('MINIAPP_NOT_FOUND');
    }
    expect((await as('frank', 'GET', `${path}/deliveries`)).body.error.code).to.equal('MINIAPP_NOT_FOUND');
  });

  const withSecret = async (secret: string): Promise<number> => (await exchange(server.url, 'syt_alice', { client_id: 'ma_shop_backend', client_secret: secret })).status;

  it('have secrets that are replaced with an overlap, as the client has', async () => {
    const webhook = await as('dana', 'POST', '/mini-apps/v1/ma_shop/secrets/rotate', { secret: 'webhook' });
    expect(webhook.status).to.equal(200);
    expect(webhook.body.webhook_secret).to.match(/^whsec_/);
    expect(Date.parse(webhook.body.previous_valid_until as string) - server.clock.now()).to.be.within(86_300_000, 86_400_000);
    expect(await server.database.sql('webhook_old_secret').where({ miniapp_id: 'ma_shop' })).to.have.length(1);

    expect(await withSecret(clientSecret)).to.equal(200);
    const rotated = await as('dana', 'POST', '/mini-apps/v1/ma_shop/secrets/rotate', { secret: 'client', overlap_seconds: 60 });
    expect(rotated.body.client_id).to.equal('ma_shop_backend');
    const next = rotated.body.client_secret as string;
    expect([await withSecret(clientSecret), await withSecret(next)]).to.deep.equal([200, 200]);
    server.clock.advance(61_000);
    expect([await withSecret(clientSecret), await withSecret(next)]).to.deep.equal([401, 200]);
    const last = (await as('dana', 'POST', '/mini-apps/v1/ma_shop/secrets/rotate', { secret: 'client', overlap_seconds: 0 })).body.client_secret as string;
    expect([await withSecret(next), await withSecret(last)]).to.deep.equal([401, 200]);
    const everything = JSON.stringify(await server.database.sql('audit_entry').where({ action: 'miniapp.secret_rotated' }));
    for (const secret of [next, last, webhook.body.webhook_secret as string]) expect(everything).not.to.contain(secret);
    expect((await as('dana', 'POST', '/mini-apps/v1/ma_silent/secrets/rotate', { secret: 'client' })).body.error.code).to.equal('INVALID_REQUEST');
  });
});
