import { expect } from 'chai';
import { call } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

onBothDatabases('every answer', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
  });
  after(() => server.close());

  const register = '/mini-apps/v1/register';

  it('is the error envelope where something is wrong, with its twin for deployed clients', async () => {
    const { status, body, headers } = await call(server.url, 'GET', '/no/such/path', { headers: { 'x-request-id': 'my-request-1' } });
    expect(status).to.equal(404);
    expect(body.error).to.include({ code: 'NOT_FOUND', message: 'No such endpoint', request_id: 'my-request-1' });
    expect(body.error.timestamp).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(body.error_description).to.equal('No such endpoint');
    expect(headers.get('x-request-id')).to.equal('my-request-1');
  });

  it('has a request id of its own where the given one is no good', async () => {
    const { headers } = await call(server.url, 'GET', '/health/live', { headers: { 'x-request-id': 'a b<script>' } });
    expect(headers.get('x-request-id')).to.match(/^req_[a-z2-7]{25}$/);
  });

  it('says which methods a path has', async () => {
    const { status, body, headers } = await call(server.url, 'PUT', '/api/v1/store/apps', { body: {} });
    expect(status).to.equal(405);
    expect(headers.get('allow')).to.equal('GET');
    expect(body.error.code).to.equal('METHOD_NOT_ALLOWED');
  });

  it('is 415 for another media type, 413 for too much, 400 for no JSON', async () => {
    const post = (body: string, type: string) => call(server.url, 'POST', register, { token: server.adminToken, body, headers: { 'content-type': type } });
    expect((await post('<a/>', 'application/xml')).body.error.code).to.equal('UNSUPPORTED_MEDIA_TYPE');
    expect((await post('<a/>', 'application/xml')).status).to.equal(415);
    expect((await post(JSON.stringify({ name: 'x'.repeat(1_100_000) }), 'application/json')).status).to.equal(413);
    const broken = await post('{"name":', 'application/json');
    expect(broken.status).to.equal(400);
    expect(broken.body.error.details).to.deep.equal([{ field: 'body', problem: 'is not valid JSON' }]);
  });

  it('may be read by any origin, without cookies', async () => {
    const preflight = await call(server.url, 'OPTIONS', '/api/v1/client/installed', { headers: { origin: 'https://app.example', 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' } });
    expect(preflight.status).to.equal(204);
    expect(preflight.headers.get('access-control-allow-origin')).to.equal('*');
    expect(preflight.headers.get('access-control-allow-credentials')).to.equal(null);
    const refused = await call(server.url, 'GET', '/api/v1/client/installed', { headers: { origin: 'https://app.example' } });
    expect(refused.status).to.equal(401);
    expect(refused.headers.get('access-control-allow-origin')).to.equal('*');
  });

  it('tells nothing internal', async () => {
    await server.database.sql.schema.renameTable('installation', 'installation_away');
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', is_guest: false });
    const { firstPartyToken } = await import('../../support/api.ts');
    const token = await firstPartyToken(server.url, 'syt_alice', 'tmcp_store');
    const { status, body } = await call(server.url, 'GET', '/api/v1/client/installed', { token });
    await server.database.sql.schema.renameTable('installation_away', 'installation');
    expect(status).to.equal(500);
    expect(body.error.code).to.equal('INTERNAL_ERROR');
    expect(JSON.stringify(body)).not.to.match(/installation|select|sql/i);
    expect(server.log.lines.some((line) => line.includes('installation') && line.includes(body.error.request_id as string))).to.equal(true);
  });

  it('says that it is ready, degraded without a homeserver, and unavailable without migrations', async () => {
    const ready = await call(server.url, 'GET', '/health/ready');
    expect(ready.status).to.equal(200);
    expect(ready.body).to.deep.equal({ status: 'degraded', checks: { database: 'ok', migrations: 'ok', homeserver: 'one_way', loops: { homeserver_monitor: 'ok', notices: 'ok', ...(databases.dialect === 'postgres' ? { instances: 'ok' } : {}) } } });
    await server.database.sql('schema_migration').where({ name: '0001-jobs' }).delete();
    const pending = await call(server.url, 'GET', '/health/ready');
    await server.database.sql('schema_migration').insert({ name: '0001-jobs', batch: 1, migration_time: new Date() });
    expect(pending.status).to.equal(503);
    expect(pending.body.checks.migrations).to.equal('pending');
  });

  it('keeps every credential out of the log', async () => {
    const { exchange, firstPartyToken } = await import('../../support/api.ts');
    server.identity.whoami.set('syt_secret_matrix_token', { user_id: '@bob:example.org', is_guest: false });
    const secrets = ['syt_secret_matrix_token', server.adminToken, await firstPartyToken(server.url, 'syt_secret_matrix_token', 'tmcp_store')];
    const registered = await call(server.url, 'POST', register, { token: server.adminToken, body: { miniapp_id: 'ma_logged', name: 'Logged', technical: { entry_url: 'https://a.example', client_type: 'confidential' } } });
    const secret = registered.body.credentials.client_secret as string;
    await call(server.url, 'POST', '/admin/v1/mini-apps/ma_logged/approve', { token: server.adminToken, body: {} });
    const session = await exchange(server.url, 'syt_secret_matrix_token', { client_id: 'ma_logged', client_secret: secret });
    expect(session.status).to.equal(200);
    secrets.push(secret, registered.body.credentials.webhook_secret as string, session.body.access_token as string, session.body.refresh_token as string);
    await exchange(server.url, 'syt_secret_matrix_token', { client_id: 'ma_logged', client_secret: 'secret_wrong_one_12345' });
    secrets.push('secret_wrong_one_12345');
    await call(server.url, 'GET', `/api/v1/client/installed?token=${secret}`, { token: session.body.access_token as string });
    await call(server.url, 'POST', '/mini-apps/v1/register', { token: 'adm_not_a_good_one_at_all', body: {} });
    secrets.push('adm_not_a_good_one_at_all');
    const log = server.log.lines.join('\n');
    expect(log).to.contain('registerMiniApp');
    for (const value of secrets) expect(log).not.to.contain(value);
  });
});
