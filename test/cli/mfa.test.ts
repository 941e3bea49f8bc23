import { expect } from 'chai';
import { openDatabase } from '../../src/database/index.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { onWalletService } from '../support/databases.ts';
import { startWalletService, walletApiKey, type WalletService } from '../support/wallet-service.ts';
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

describe('tmcp mfa, where a wallet service keeps the factors', function () {
  this.timeout(60_000);
  let service: WalletService;
  let server: ServerProcess;
  before(async () => {
    service = await startWalletService({ databaseUrl: await onWalletService.createUrl(), clock: systemClock });
    server = await prepareServer({ env: { TMCP_WALLET_ADAPTER: 'remote', TMCP_WALLET_REMOTE_URL: service.url, TMCP_WALLET_REMOTE_API_KEY: walletApiKey } });
    await server.start();
  });
  after(async () => {
    await server?.stop();
    await service?.close();
  });

  it('has the service lift locks, and the user told by this server', async () => {
    await service.database.sql('mfa_attempt').insert({ user_id: '@bob:example.org', factor: 'pin', failures: 3, locked_until: 4_000_000_000_000 });
    expect(await tmcp(['mfa', 'unlock', '@bob:example.org', '--name', 'alice'], { env: server.env })).to.deep.include({ code: 0, stderr: 'lifted the locks of @bob:example.org\n' });
    expect(await service.database.sql('mfa_attempt').select('*')).to.deep.equal([]);
    const database = openDatabase({ url: server.env.TMCP_DATABASE_URL!, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    expect(await database.sql('audit_entry').where({ action: 'factor.unlocked' }).pluck('actor')).to.deep.equal(['alice']);
    await database.close();
  });

  it('says when the service is away', async () => {
    service.between = (_serve, _req, res) => void res.writeHead(503).end();
    const answer = await tmcp(['mfa', 'remove', '@bob:example.org', '--name', 'alice'], { env: server.env });
    expect([answer.code, answer.stderr.includes('temporarily unavailable')]).to.deep.equal([1, true]);
  });
});
