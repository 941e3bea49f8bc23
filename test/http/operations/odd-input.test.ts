import { expect } from 'chai';
import { call, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

const cursor = (...parts: unknown[]): string => Buffer.from(JSON.stringify(parts)).toString('base64url');

onBothDatabases('input that no database or event could hold', (databases) => {
  let server: WholeServer;
  let store: string;
  before(async () => {
    server = await startWholeServer(databases);
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', is_guest: false });
    store = await firstPartyToken(server.url, 'syt_alice', 'tmcp_store');
  });
  after(() => server.close());

  const register = (fields: object | string): Promise<ApiResponse> => call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: typeof fields === 'string' ? fields : { name: 'Odd', technical: { entry_url: 'https://a.example' }, draft: true, ...fields } });
  const refusedAs = async (answer: Promise<ApiResponse>, field: string): Promise<void> => {
    const { status, body } = await answer;
    expect([status, body.error.code, body.error.details?.[0].field], JSON.stringify(body)).to.deep.equal([400, 'INVALID_REQUEST', field]);
  };

  it('is refused with the field’s name, wherever it is', async () => {
    for (const odd of ['a\0b', 'a\ud800b']) {
      await refusedAs(register({ name: odd }), 'name');
      await refusedAs(register({ description: odd }), 'description');
      await refusedAs(register({ marketing: { keywords: ['x', odd] } }), 'marketing.keywords.1');
      await refusedAs(register({ developer: { company_name: odd } }), 'developer.company_name');
      await refusedAs(register({ branding: { [odd]: 1 } }), 'branding');
      await refusedAs(call(server.url, 'POST', '/mini-apps/v1/ma_official_wallet/retire', { token: server.adminToken, body: { reason: odd } }), 'reason');
      await refusedAs(call(server.url, 'POST', '/api/v1/store/apps/ma_official_wallet/launch', { token: store, body: { launch_source: odd } }), 'launch_source');
      await refusedAs(call(server.url, 'POST', '/api/v1/store/apps/ma_official_wallet/launch', { token: store, body: { launch_source: 'store', launch_params: { a: [odd] } } }), 'launch_params.a.0');
      await refusedAs(call(server.url, 'POST', '/api/v1/client/check-updates', { token: store, body: { platform: 'web', installed_apps: [{ miniapp_id: odd, current_version: '1.0.0' }] } }), 'installed_apps.0.miniapp_id');
    }
    await refusedAs(register(`{"name":"Deep","technical":{"entry_url":"https://a.example"},"developer":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`), `${`developer${'.a'.repeat(63)}`.slice(0, 100)}…`);
  });

  it('is refused in addresses and cursors', async () => {
    await refusedAs(call(server.url, 'GET', '/api/v1/store/apps?category=%00'), 'category');
    for (const path of ['/api/v1/store/apps/ma_%00', '/api/v1/store/apps/ma_%00/ranking', '/bundles/%00']) expect((await call(server.url, 'GET', path)).status, path).to.equal(400);
    await refusedAs(call(server.url, 'GET', '/mini-apps/v1/ma_%00/status', { token: server.adminToken }), 'miniapp_id');
    for (const [sort, forged] of [['popular', cursor('popular', 5, 2 ** 31)], ['popular', cursor('popular', 5, 1.5)], ['name', cursor('name', 'a\0', 1)], ['name', cursor('name', 5, 1)], ['popular', 'zzz']] as const) {
      await refusedAs(call(server.url, 'GET', `/api/v1/store/apps?sort=${sort}&cursor=${forged}`), 'cursor');
    }
  });

  it('is let through where values are kept as they are', async () => {
    const value = { 'a\0': 'b\ud800', deep: JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`) as unknown };
    expect((await call(server.url, 'PUT', '/api/v1/storage/odd', { token: store, body: { value } })).status).to.equal(200);
    expect((await call(server.url, 'GET', '/api/v1/storage/odd', { token: store })).body.value).to.deep.equal(value);
    const batch = await call(server.url, 'POST', '/api/v1/storage/batch/set', { token: store, body: { items: [{ key: 'odd2', value }] } });
    expect([batch.status, batch.body.results[0].status]).to.deep.equal([200, 200]);
    await refusedAs(call(server.url, 'PUT', '/api/v1/storage/odd', { token: store, body: { value: 1, mutation_id: 'm\0' } }), 'mutation_id');
  });

  it('are names that turn the line, and addresses that show one host and open another', async () => {
    await refusedAs(register({ name: 'Wallet\u202e' }), 'name');
    await refusedAs(register({ name: 'Two\nlines' }), 'name');
    await refusedAs(register({ name: '   ' }), 'name');
    await refusedAs(register({ short_name: '\u2066Wallet' }), 'short_name');
    for (const entry_url of ['https://wallet.example@evil.example/', 'https://u:p@a.example', 'https://[', 'https://a.example:99999', 'https://a.example\\@evil.example/', 'https://a.example/\u200b']) await refusedAs(register({ technical: { entry_url } }), 'technical.entry_url');
    await refusedAs(register({ technical: { entry_url: 'https://a.example', webhook_url: 'https://u:p@a.example/hook' } }), 'technical.webhook_url');
    const good = await register({ name: 'Schach 👨‍👩‍👧 و', technical: { entry_url: 'https://bücher.example:8443/a?b=@c#d' } });
    expect(good.status, JSON.stringify(good.body)).to.equal(201);
  });
});
