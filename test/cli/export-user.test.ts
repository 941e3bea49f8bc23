import { expect } from 'chai';
import { openDatabase } from '../../src/database/index.ts';
import { firstPartyToken } from '../support/api.ts';
import { startStorageProcess, store, type StorageProcess } from '../support/storage-process.ts';
import { tmcp } from '../support/tmcp.ts';

describe('tmcp admin export-user, beside a running server', function () {
  this.timeout(60_000);
  let world: StorageProcess;
  before(async () => {
    world = await startStorageProcess();
  });
  after(() => world?.close());

  const run = (...args: string[]) => tmcp(['admin', 'export-user', ...args], { env: world.server.env });

  it("prints what every app stores for one user, and nobody else's, and records who did it", async () => {
    const { url } = world.server;
    world.identity.whoami.set('syt_bob', { user_id: '@bob:hs.test', is_guest: false });
    for (const audience of ['tmcp_store', 'tmcp_wallet'] as const) await store(url, await firstPartyToken(url, 'syt_alice', audience), 'k', `of ${audience}`);
    await store(url, await firstPartyToken(url, 'syt_bob', 'tmcp_store'), 'k', 'of bob');
    const { code, stdout, stderr } = await run('@alice:hs.test', '--name', 'carol');
    expect([code, stderr]).to.deep.equal([0, '2 lines of stored entries of @alice:hs.test\n']);
    const lines = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { namespace: string; key: string; value: string });
    expect(lines.map(({ namespace, key, value }) => [namespace, key, value])).to.deep.equal([['tmcp_store', 'k', 'of tmcp_store'], ['tmcp_wallet', 'k', 'of tmcp_wallet']]);
    const database = openDatabase({ url: world.server.env.TMCP_DATABASE_URL!, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    const records = await database.sql('audit_entry').where({ action: 'user.exported' }).select<{ target: string; details: string }[]>('target', 'details');
    await database.close();
    expect(records).to.deep.equal([{ target: '@alice:hs.test', details: '{"administrator":"carol"}' }]);
  });

  it('says who is no user, and what is missing', async () => {
    expect((await run('alice', '--name', 'carol')).code).to.equal(1);
    expect((await run('@alice:hs.test')).code).to.equal(2);
  });
});
