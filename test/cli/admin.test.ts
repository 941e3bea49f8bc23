import { expect } from 'chai';
import { call } from '../support/api.ts';
import { prepareServer, type ServerProcess } from '../support/server-process.ts';
import { tmcp, tmcpPrints, type Answer } from '../support/tmcp.ts';

describe('tmcp admin, beside a running server', function () {
  this.timeout(60_000);
  let server: ServerProcess;
  before(async () => {
    server = await prepareServer();
    await server.start();
  });
  after(() => server?.stop());

  const run = (...args: string[]): Promise<Answer> => tmcp(args, { env: server.env });
  const issue = async (...args: string[]): Promise<string> => (await tmcpPrints(['admin', 'token', ...args], { env: server.env })).trimEnd();
  const statusWith = async (token: string): Promise<number> => (await fetch(`${server.url}/mini-apps/v1/ma_official_wallet/status`, { headers: { authorization: `Bearer ${token}` } })).status;

  it('prints a token and nothing else, which the HTTP interface accepts', async () => {
    const { code, stdout, stderr } = await run('admin', 'token', '--name', 'alice');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^adm_[\w-]{43}\n$/);
    expect(stderr).to.contain('administrator alice, good until').and.not.to.contain(stdout.trimEnd());
    expect(await statusWith(stdout.trimEnd())).to.equal(200);
    expect(await statusWith(`${stdout.trimEnd()}x`)).to.equal(401);
  });

  it('revokes the tokens of a name at once, and only those', async () => {
    const [first, second, other] = [await issue('--name', 'bob'), await issue('--name', 'bob', '--days', '1'), await issue('--name', 'carol')];

    const { code, stdout, stderr } = await run('admin', 'tokens', 'revoke', 'bob');

    expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: '', stderr: 'revoked 2 tokens of bob\n' });
    expect([await statusWith(first), await statusWith(second), await statusWith(other)]).to.deep.equal([401, 401, 200]);
    expect((await run('admin', 'tokens', 'revoke', 'bob')).code).to.equal(1);
    expect((await run('admin', 'tokens', 'revoke', 'nobody')).code).to.equal(1);
  });

  it('lists tokens with their lifetimes and without the tokens', async () => {
    const token = await issue('--name', 'dora', '--days', '7');
    const answer = await run('admin', 'tokens', 'list', '--json');
    const { tokens } = JSON.parse(answer.stdout) as { tokens: { name: string; state: string; created_at: string; expires_at: string }[] };
    const dora = tokens.find(({ name }) => name === 'dora');
    expect(dora?.state).to.equal('good');
    expect(Date.parse(dora?.expires_at ?? '') - Date.parse(dora?.created_at ?? '')).to.equal(7 * 24 * 60 * 60_000);
    expect(tokens.filter(({ name }) => name === 'bob').map(({ state }) => state)).to.deep.equal(['revoked', 'revoked']);
    expect(answer.stdout).not.to.contain(token);
    const table = await run('admin', 'tokens', 'list');
    expect(table.stdout).to.match(/^NAME +STATE +CREATED +EXPIRES\n/).and.to.match(/^dora +good +/m);
  });

  it('keeps the developer whitelist, which the running server goes by', async () => {
    const admin = await issue('--name', 'erin');
    const overHttp = async (): Promise<unknown> => (await call(server.url, 'GET', '/admin/developers/whitelist', { token: admin })).body.developers;

    expect(await run('admin', 'whitelist', 'add', '@dev:hs.test', '--reason', 'works for ACME')).to.deep.include({ code: 0, stdout: '', stderr: '@dev:hs.test may be a developer now\n' });
    expect((await run('admin', 'whitelist', 'add', '@dev:hs.test')).stderr).to.equal('@dev:hs.test was on the whitelist already\n');
    const { developers } = JSON.parse(await tmcpPrints(['admin', 'whitelist', 'list', '--json'], { env: server.env })) as { developers: object[] };
    expect(developers).to.have.length(1);
    expect(developers[0]).to.include({ user_id: '@dev:hs.test', added_by: 'command line', reason: 'works for ACME' });
    expect(await overHttp()).to.have.length(1);

    expect(await run('admin', 'whitelist', 'remove', '@dev:hs.test')).to.deep.include({ code: 0, stderr: '@dev:hs.test is no developer any more; 0 sign-ins ended\n' });
    expect(await overHttp()).to.deep.equal([]);
    expect(await run('admin', 'whitelist', 'remove', '@dev:hs.test')).to.deep.include({ code: 1, stderr: 'tmcp: @dev:hs.test is not on the whitelist\n' });
    expect((await run('admin', 'whitelist', 'add', 'dev')).code).to.equal(2);
  });
});
