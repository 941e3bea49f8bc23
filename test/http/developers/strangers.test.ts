import { expect } from 'chai';
import { loadContract } from '../../../src/http/index.ts';
import { call, exchange, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { community, foundWith, outcome, signIn, startPlatform } from './support.ts';

/** Bodies that are well formed, where an operation wants one. */
const bodies: Readonly<Record<string, object>> = {
  editMiniApp: { description: 'x' },
  addVersion: { version: '9.0.0' },
  rollOutVersion: { percent: 5 },
  revokeVersion: { reason: 'x' },
  appealReview: { reason: 'x' },
  rotateMiniAppSecret: { secret: 'webhook' },
  registerMiniAppBot: { matrix_access_token: 'syt_frank' },
};

/** Every operation on one mini-app that the document has: a new one is among them by itself. */
const operations = loadContract(new URL('../../../schema/openapi.yaml', import.meta.url)).operations.filter(({ path }) => path.startsWith('/mini-apps/v1/{miniapp_id}'));

onBothDatabases("other people's mini-apps", (databases) => {
  let server: WholeServer;
  let id: string;
  let tokens: Record<'frank' | 'erin' | 'app', string>;
  before(async () => {
    server = await startPlatform(databases, ['dana', 'erin', 'frank']);
    const dana = await signIn(server, 'dana');
    const erin = await signIn(server, 'erin');
    const orgId = await foundWith(server, dana, { erin: { tokens: erin, role: 'viewer' } });
    id = (await call(server.url, 'POST', '/mini-apps/v1/register', { token: dana.access, body: { ...community, organization_id: orgId } })).body.miniapp_id as string;
    await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
    server.identity.whoami.set('syt_dana', { user_id: '@dana:example.org', device_id: 'A', is_guest: false });
    tokens = { frank: (await signIn(server, 'frank')).access, erin: erin.access, app: (await exchange(server.url, 'syt_dana', { client_id: id })).body.access_token as string };
  });
  after(() => server.close());

  const ask = ({ id: operation, method, path }: (typeof operations)[number], who: keyof typeof tokens, miniappId = id): Promise<ApiResponse> =>
    call(server.url, method.toUpperCase(), path.replace('{miniapp_id}', miniappId).replace('{version_code}', '1').replace('{delivery_id}', 'evt_x'), { token: tokens[who], ...(method === 'get' ? {} : { body: bodies[operation] ?? {} }) });

  for (const operation of operations) {
    it(`are not there for a stranger who asks to ${operation.id}`, async () => {
      const [theirs, none] = [await ask(operation, 'frank'), await ask(operation, 'frank', 'ma_no_such_app')];
      expect(outcome(none), JSON.stringify(none.body)).to.deep.equal([404, 'MINIAPP_NOT_FOUND']);
      expect([theirs.status, theirs.body.error.code, theirs.body.error.message]).to.deep.equal([none.status, none.body.error.code, none.body.error.message]);
      expect(outcome(await ask(operation, 'app')), 'nor for a mini-app').to.deep.equal([403, 'forbidden_platform_endpoint']);
      if (operation.method !== 'get') expect(outcome(await ask(operation, 'erin')), 'and who may only read changes nothing').to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    });
  }

  it('stay as they were', async () => {
    expect(outcome(await call(server.url, 'GET', `/api/v1/store/apps/${id}`))).to.deep.equal([200, undefined]);
    expect(await server.database.sql('miniapp_version').where({ miniapp_id: id }).pluck('version')).to.deep.equal(['1.0.0']);
  });
});
