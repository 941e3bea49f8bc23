import { expect } from 'chai';
import { call, type ApiResponse } from '../../support/api.ts';
import type { TestDatabase } from '../../support/databases.ts';
import { HS_TOKEN } from '../../support/server-process.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { startWholeServer } from '../../support/whole-server.ts';

const sqlite: TestDatabase = { dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${temporaryDirectory('roles')}/tmcp.db`) };

describe('a process of one role (server.roles)', () => {
  for (const [roles, served] of [
    ['api', { version: 200, keys: 200, transaction: 404 }],
    ['appservice', { version: 404, keys: 404, transaction: 200 }],
    ['worker', { version: 404, keys: 404, transaction: 404 }],
  ] as const) {
    it(`${roles}: serves its part and nothing else, and says whether it lives`, async () => {
      const server = await startWholeServer(sqlite, { TMCP_SERVER_ROLES: roles });
      try {
        const get = (path: string): Promise<ApiResponse> => call(server.url, 'GET', path);
        expect([(await get('/health/live')).status, (await get('/health/ready')).status]).to.deep.equal([200, 200]);
        const transaction = await call(server.url, 'PUT', '/_matrix/app/v1/transactions/1', { token: HS_TOKEN, body: { events: [] } });
        expect({ version: (await get('/api/v1/version')).status, keys: (await get('/oauth2/jwks')).status, transaction: transaction.status }).to.deep.equal(served);
      } finally {
        await server.close();
      }
    });
  }
});
