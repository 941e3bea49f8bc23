import { expect } from 'chai';
import { openDatabase } from '../../src/database/index.ts';
import { prepareServer, type ServerProcess } from '../support/server-process.ts';
import { tmcp, type Answer } from '../support/tmcp.ts';

describe('tmcp mfa, beside a running server', function () {
  this.timeout(60_000);
  let server: ServerProcess;
  before(async () => {
    server = await prepareServer();
    await server.start();
  });
  after(() => server?.stop());

  const run = (...args: string[]): Promise<Answer> => tmcp(['mfa', ...args], { env: server.env });

  it('lifts the locks of a user, once', async () => {
    const database = openDatabase({ url: server.env.TMCP_DATABASE_URL!, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    await database.sql('mfa_attempt').insert({ user_id: '@bob:example.org', factor: 'pin', failures: 3, locked_until: 4_000_000_000_000 });
    await database.close();
    expect(await run('unlock', '@bob:example.org', '--name', 'alice')).to.deep.include({ code: 0, stdout: '', stderr: 'lifted the locks of @bob:example.org\n' });
    expect((await run('unlock', '@bob:example.org', '--name', 'alice')).code).to.equal(1);
  });

  it('says when there is nothing to remove, who is no user, and what is missing', async () => {
    expect(await run('remove', '@bob:example.org', '--name', 'alice')).to.deep.include({ code: 1, stdout: '' });
    expect((await run('unlock', 'bob', '--name', 'alice')).code).to.equal(1);
    expect((await run('unlock', '@bob:example.org')).code).to.equal(2);
  });
});
