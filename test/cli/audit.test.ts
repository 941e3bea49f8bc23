import { expect } from 'chai';
import { openDatabase } from '../../src/database/index.ts';
import { eventually } from '../support/eventually.ts';
import { prepareServer, type ServerProcess } from '../support/server-process.ts';
import { tmcp, tmcpPrints, type Answer } from '../support/tmcp.ts';

describe('tmcp audit, beside a running server', function () {
  this.timeout(60_000);
  let server: ServerProcess;
  let head: string;
  before(async () => {
    server = await prepareServer();
    await server.start();
    await tmcpPrints(['admin', 'token', '--name', 'alice'], { env: server.env });
  });
  after(() => server?.stop());

  const run = (...args: string[]): Promise<Answer> => tmcp(['audit', ...args], { env: server.env });
  const exported = async (...args: string[]) => (await run('export', ...args)).stdout.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as { seq: number; action: string; actor: { kind: string }; target: { id: string } });

  it('exports what the server and the command line did, as JSON lines', async () => {
    const entries = await eventually(
      async () => {
        const all = await exported();
        expect(all.map(({ action }) => action)).to.include('admin_token.issued');
        return all;
      },
      { description: 'the server has sealed what the command line wrote', timeoutMs: 20_000 },
    );
    expect(entries.map(({ seq }) => seq)).to.deep.equal(entries.map((_, index) => index + 1));
    expect(entries.find(({ action }) => action === 'admin_token.issued')).to.deep.include({ actor: { kind: 'command_line', id: 'tmcp' }, target: { kind: 'administrator', id: 'alice' } });
    expect(entries[0]).to.deep.include({ action: 'miniapp.registered', actor: { kind: 'system', id: 'manifest' } });
    expect((await exported('--after', '2'))[0]?.seq).to.equal(3);
  });

  it('says that all is whole, and where it ends', async () => {
    const { code, stdout, stderr } = await run('verify');
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/^\d+:[0-9a-f]{64}\n$/);
    expect(stderr).to.match(/^entries 1 to \d+ are whole and unchanged\n$/);
    head = stdout.trimEnd();
    expect((await run('verify', '--head', head)).code).to.equal(0);
    expect((await run('verify', '--head', `1:${'0'.repeat(64)}`)).code).to.equal(1);
    expect((await run('verify', '--head', 'end')).code).to.equal(2);
  });

  it('finds an entry that was altered behind the guards, and fails', async () => {
    const database = openDatabase({ url: server.env.TMCP_DATABASE_URL!, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    await database.sql.raw('DROP TRIGGER audit_entry_no_update');
    await database.sql.raw(`UPDATE audit_entry SET actor = 'nobody' WHERE seq = 3`);
    await database.close();
    const { code, stdout, stderr } = await run('verify');
    expect([code, stdout]).to.deep.equal([1, '']);
    expect(stderr).to.match(/^tmcp: entry 3 \(aud_\w+\) was altered\n$/);
  });
});
