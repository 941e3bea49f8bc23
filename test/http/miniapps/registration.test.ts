import { expect } from 'chai';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));
const shop = {
  name: 'Shopping Assistant',
  short_name: 'ShopAssist',
  description: 'AI-powered shopping recommendations',
  category: 'shopping',
  developer: { company_name: 'Example Corp', email: 'dev@example.com', website: 'https://example.com' },
  technical: { entry_url: 'https://miniapp.example.com', redirect_uris: ['https://miniapp.example.com/oauth/callback'], webhook_url: 'https://api.example.com/webhooks/tween', scopes_requested: ['user:read', 'wallet:pay'], client_type: 'public' },
  branding: { icon_url: 'https://cdn.example.com/icon.png', primary_color: '#FF6B00' },
};
interface StateJob {
  event: { type: string; stateKey: string; content: { status: string } };
}

onBothDatabases('registering mini-apps', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', is_guest: false });
  });
  after(() => server.close());

  const register = (body: unknown, token = server.adminToken): Promise<ApiResponse> => call(server.url, 'POST', '/mini-apps/v1/register', { token, body });
  const act = (id: string, verb: string, body: unknown = {}): Promise<ApiResponse> => call(server.url, 'POST', `/admin/v1/mini-apps/${id}/${verb}`, { token: server.adminToken, body });
  const published = async (id: string): Promise<string[]> => {
    const jobs = (await queued<StateJob>(server.database, 'matrix.event')).filter(({ event }) => event.stateKey === id);
    for (const { event } of jobs) expect(checkContent(event.type, event.content)).to.deep.equal([]);
    return jobs.map(({ event }) => event.content.status);
  };

  it('gives a public client no secret', async () => {
    const { status, body } = await register(shop);
    expect(status).to.equal(201);
    expect(body.status).to.equal('pending_review');
    expect(body.miniapp_id).to.match(/^ma_shopping_assistant_[a-z2-7]{6}$/);
    expect(body.credentials).to.have.all.keys('client_id', 'webhook_secret');
    expect(body.credentials.client_id).to.equal(body.miniapp_id);
  });

  it('gives a confidential client a secret that works, once, and stores only its hash', async () => {
    const { body } = await register({ ...shop, miniapp_id: 'ma_confidential', technical: { ...shop.technical, client_type: 'confidential' } });
    const { client_id: clientId, client_secret: secret } = body.credentials as { client_id: string; client_secret: string };
    expect(secret).to.match(/^secret_/);
    const stored = JSON.stringify([await server.database.sql('client_secret').select(), await server.database.sql('miniapp').select()]);
    expect(stored).not.to.contain(secret);
    expect(stored).not.to.contain(body.credentials.webhook_secret);
    await act('ma_confidential', 'approve');
    const withSecret = await exchange(server.url, 'syt_alice', { client_id: clientId, client_secret: secret });
    expect(withSecret.status).to.equal(200);
    const withAnother = await exchange(server.url, 'syt_alice', { client_id: clientId, client_secret: `${secret}x` });
    expect(withAnother.status).to.equal(401);
    expect(withAnother.body.error).to.equal('invalid_client');
  });

  it('gives a hybrid app two clients', async () => {
    const { body } = await register({ ...shop, miniapp_id: 'ma_hybrid', client_type: 'hybrid', technical: { ...shop.technical, client_type: undefined } });
    expect(body.credentials.public_client.client_id).to.equal('ma_hybrid');
    expect(body.credentials.confidential_client.client_id).to.equal('ma_hybrid_backend');
    expect(body.credentials.confidential_client.client_secret).to.match(/^secret_/);
    expect(body.credentials.public_client).not.to.have.property('client_secret');
  });

  it('publishes every step of the way, in order', async () => {
    await register({ ...shop, miniapp_id: 'ma_walk' });
    expect((await act('ma_walk', 'approve', { hold: true })).body.status).to.equal('approved');
    expect((await act('ma_walk', 'approve')).body.status).to.equal('active');
    expect((await act('ma_walk', 'suspend', { reason: 'Complaints' })).body).to.include({ status: 'suspended', reason: 'Complaints' });
    expect((await act('ma_walk', 'reinstate')).body.status).to.equal('active');
    expect(await published('ma_walk')).to.deep.equal(['submitted', 'under_review', 'approved', 'active', 'suspended', 'active']);
  });

  it('takes an official app all the way, a held one to approved, and a draft nowhere', async () => {
    expect((await register({ ...shop, miniapp_id: 'ma_official_x', classification: 'official' })).body.status).to.equal('active');
    expect((await register({ ...shop, miniapp_id: 'ma_official_y', classification: 'official', hold: true })).body.status).to.equal('approved');
    expect((await register({ ...shop, miniapp_id: 'ma_draft', draft: true })).body.status).to.equal('draft');
    expect(await published('ma_draft')).to.deep.equal([]);
  });

  it('refuses a step that the state does not allow, by name', async () => {
    await register({ ...shop, miniapp_id: 'ma_early' });
    const { status, body } = await act('ma_early', 'suspend', { reason: 'Too soon' });
    expect(status).to.equal(409);
    expect(body.error).to.deep.include({ code: 'INVALID_STATE_TRANSITION', message: 'Cannot suspend while submitted', details: { state: 'submitted', command: 'suspend' } });
  });

  it('lets one of two administrators reject, and tells the other', async () => {
    await register({ ...shop, miniapp_id: 'ma_race' });
    const answers = await Promise.all([act('ma_race', 'reject', { reason: 'No' }), act('ma_race', 'reject', { reason: 'No' })]);
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([200, 409]);
  });

  it('does not register an id twice', async () => {
    await register({ ...shop, miniapp_id: 'ma_twice' });
    const { status, body } = await register({ ...shop, miniapp_id: 'ma_twice' });
    expect(status).to.equal(409);
    expect(body.error.code).to.equal('ALREADY_EXISTS');
  });

  it('gives no tokens for an app that is not active', async () => {
    await register({ ...shop, miniapp_id: 'ma_waiting' });
    const { status, body } = await exchange(server.url, 'syt_alice', { client_id: 'ma_waiting' });
    expect(status).to.equal(401);
    expect(body.error).to.equal('invalid_client');
  });

  describe('names the field that is wrong', () => {
    const wrong: [string, object, string][] = [
      ['a missing name', { ...shop, name: undefined }, 'name'],
      ['an http entry', { ...shop, technical: { ...shop.technical, entry_url: 'http://miniapp.example.com' } }, 'technical.entry_url'],
      ['a redirect URI with a fragment', { ...shop, technical: { ...shop.technical, redirect_uris: ['https://a.example/#x'] } }, 'technical.redirect_uris.0'],
      ['a webhook over http', { ...shop, technical: { ...shop.technical, webhook_url: 'http://a.example/' } }, 'technical.webhook_url'],
      ['a scope of no form', { ...shop, technical: { ...shop.technical, scopes_requested: ['everything'] } }, 'technical.scopes_requested.0'],
      ['an unknown technical field', { ...shop, technical: { ...shop.technical, entry_uri: 'https://x' } }, 'technical.entry_uri'],
      ['an unknown client type', { ...shop, technical: { ...shop.technical, client_type: 'secret' } }, 'technical.client_type'],
      ['two client types', { ...shop, client_type: 'hybrid' }, 'client_type'],
      ['an internal URL of a community app', { ...shop, technical: { ...shop.technical, entry_url: 'tween-internal://x' } }, 'technical.entry_url'],
      ['a preinstalled community app', { ...shop, preinstall: { enabled: true } }, 'preinstall.enabled'],
      ['an id that is no localpart', { ...shop, miniapp_id: 'ma_Große' }, 'miniapp_id'],
    ];
    for (const [what, body, field] of wrong) {
      it(what, async () => {
        const answer = await register(body);
        expect(answer.status).to.equal(400);
        expect(answer.body.error.code).to.equal('INVALID_REQUEST');
        expect((answer.body.error.details as { field: string }[]).map((detail) => detail.field)).to.include(field);
      });
    }
  });

  describe('is for developers and administrators', () => {
    it('without a token', async () => {
      const { status, headers, body } = await call(server.url, 'POST', '/mini-apps/v1/register', { body: shop });
      expect(status).to.equal(401);
      expect(headers.get('www-authenticate')).to.equal('Bearer error="invalid_token"');
      expect(body.error.code).to.equal('INVALID_TOKEN');
    });
    it("with a user's access token", async () => {
      const token = await firstPartyToken(server.url, 'syt_alice', 'tmcp_store');
      const answer = await register(shop, token);
      expect([answer.status, answer.body.error.code]).to.deep.equal([403, 'forbidden_platform_endpoint']);
    });
    it('with a token that has expired', async () => {
      const answer = await call(server.url, 'GET', '/mini-apps/v1/ma_walk/status', { token: server.adminToken });
      expect(answer.status).to.equal(200);
      server.clock.advance(25 * 60 * 60_000);
      expect((await call(server.url, 'GET', '/mini-apps/v1/ma_walk/status', { token: server.adminToken })).status).to.equal(401);
    });
  });
});
