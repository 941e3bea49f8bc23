import { expect } from 'chai';
import { call, exchange, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

/** PostgreSQL refuses text with U+0000: what reached it as a value became a 500 there. */
onBothDatabases('the character U+0000', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', device_id: 'D', is_guest: false });
  });
  after(() => server.close());

  const form = (path: string, text: string, headers: Record<string, string> = {}): Promise<ApiResponse> => call(server.url, 'POST', path, { headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body: text });
  const basic = { authorization: `Basic ${Buffer.from('ma_\0x:secret').toString('base64')}` };
  const tokenExchange = 'grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token_type=urn:ietf:params:oauth:token-type:access_token&subject_token=syt_alice';
  const refused = ({ status, body }: ApiResponse): unknown[] => [status, (body as { error: string | { code: string } }).error instanceof Object ? (body as { error: { code: string } }).error.code : (body as { error: string }).error];

  it('names no client, wherever clients are named', async () => {
    for (const fields of ['client_id=%00', 'audience=ma_%00x', 'client_id=ma_x%00']) expect(refused(await form('/oauth2/token', `${tokenExchange}&${fields}`)), fields).to.deep.equal([401, 'invalid_client']);
    for (const path of ['/oauth2/introspect', '/oauth2/revoke', '/oauth2/device/authorization']) expect(refused(await form(path, 'token=x&client_id=%00')), path).to.deep.equal([401, 'invalid_client']);
    expect(refused(await form('/oauth2/developer/token', `${tokenExchange}&client_id=%00`))).to.deep.equal([400, 'invalid_request']);
    expect(refused(await call(server.url, 'GET', '/api/v1/payments', { headers: basic }))).to.deep.equal([401, 'INVALID_TOKEN']);
    const page = await fetch(`${server.url}/oauth2/authorize?client_id=%00&response_type=code`, { redirect: 'manual' });
    expect(page.status).to.equal(400);
  });

  it('is refused in addresses and bodies, by the name of the field', async () => {
    const token = 'syt_alice';
    const answers = [
      await call(server.url, 'GET', '/api/v1/store/apps/ma_%00'),
      await call(server.url, 'GET', '/api/v1/store/apps?search=a%00b'),
      await call(server.url, 'POST', '/api/v1/auth/revoke', { token, body: { miniapp_id: 'ma_\0x' } }),
      await call(server.url, 'POST', '/api/v1/auth/revoke', { token, body: { miniapp_id: 'ma_x', scopes: ['user:read', 'a\0'] } }),
      await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { name: 'A\0B', technical: { entry_url: 'https://chat.example', redirect_uris: ['https://chat.example/cb'], scopes_requested: ['storage:read'] } } }),
    ];
    const named = answers.map(({ status, body }) => [status, (body as { error: { code: string; details: { field: string }[] } }).error.code, ...(body as { error: { details: { field: string }[] } }).error.details.map(({ field }) => field)]);
    expect(named).to.deep.equal([
      [400, 'INVALID_REQUEST', 'miniapp_id'],
      [400, 'INVALID_REQUEST', 'search'],
      [400, 'INVALID_REQUEST', 'miniapp_id'],
      [400, 'INVALID_REQUEST', 'scopes.1'],
      [400, 'INVALID_REQUEST', 'name'],
    ]);
  });

  it('may be in what a mini-app stores, and in the context of its launch', async () => {
    const { body } = await exchange(server.url, 'syt_alice', { audience: 'tmcp_store', miniapp_context: '{"note":"a\\u0000b"}' });
    const token = body.access_token as string;
    expect((await call(server.url, 'PUT', '/api/v1/storage/note', { token, body: { value: { 'a\0': 'b\0' } } })).status).to.equal(200);
    expect((await call(server.url, 'GET', '/api/v1/storage/note', { token })).body.value).to.deep.equal({ 'a\0': 'b\0' });
  });
});
