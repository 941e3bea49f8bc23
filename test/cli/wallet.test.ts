import { expect } from 'chai';
import { openDatabase } from '../../src/database/index.ts';
import { eventually } from '../support/eventually.ts';
import { prepareServer, type ServerProcess } from '../support/server-process.ts';
import { tmcp, type Answer } from '../support/tmcp.ts';

describe('tmcp wallet, beside a running server', function () {
  this.timeout(60_000);
  let server: ServerProcess;
  before(async () => {
    server = await prepareServer();
    await server.start();
  });
  after(() => server?.stop());

  const run = (...args: string[]): Promise<Answer> => tmcp(['wallet', ...args], { env: server.env });

  it('credits exactly, and prints the transaction id and nothing else', async () => {
    const { code, stdout, stderr } = await run('credit', '@alice:hs.test', '100.10', 'USD', '--reason', 'Welcome');
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '@alice:hs.test has 100.10 USD more\n' });
    expect(stdout).to.match(/^txn_[a-z2-7]{25}\n$/);
    await run('credit', '@bob:hs.test', '7', 'JPY');
    const audit = await run('audit', '--json');
    expect(JSON.parse(audit.stdout)).to.deep.equal({ breaks: [], totals: [{ currency: 'JPY', inside: '7', accounts: 1 }, { currency: 'USD', inside: '10010', accounts: 1 }] });
  });

  it('refuses what is no amount, no currency and no user of this homeserver, and changes nothing', async () => {
    const wrong: [string[], RegExp][] = [
      [['credit', '@alice:hs.test', '1.001', 'USD'], /amount: has more than the 2 decimals of USD/],
      [['credit', '@alice:hs.test', '0', 'USD'], /amount: must be more than zero/],
      [['credit', '@alice:hs.test', '1', 'usd'], /currency: must be an ISO 4217 currency code/],
      [['credit', 'alice', '1', 'USD'], /not a Matrix user id/],
      [['credit', '@alice:elsewhere.test', '1', 'USD'], /not a user of hs\.test/],
      [['freeze', '@nobody:hs.test', '--reason', 'x'], /has no wallet/],
      [['verify', '@alice:hs.test', '2'], /has not activated the account yet/],
    ];
    for (const [args, message] of wrong) {
      const { code, stdout, stderr } = await run(...args);
      expect({ code, stdout }, args.join(' ')).to.deep.equal({ code: 1, stdout: '' });
      expect(stderr, args.join(' ')).to.match(message).and.not.to.match(/^\s+at /m);
    }
  });

  it('freezes once and lets go again', async () => {
    expect((await run('freeze', '@alice:hs.test', '--reason', 'case 17')).code).to.equal(0);
    expect((await run('freeze', '@alice:hs.test', '--reason', 'case 17')).stderr).to.contain('frozen already');
    expect((await run('unfreeze', '@alice:hs.test')).code).to.equal(0);
    expect((await run('unfreeze', '@alice:hs.test')).stderr).to.contain('is not frozen');
  });

  it('writes what it did into the audit log', async () => {
    const { stdout } = await tmcp(['audit', 'export'], { env: server.env });
    await eventually(async () => {
      const entries = (await tmcp(['audit', 'export'], { env: server.env })).stdout.trim().split('\n').map((line) => JSON.parse(line) as { action: string; actor: object; target: { id: string } });
      const wallets = entries.filter(({ action }) => action.startsWith('wallet.'));
      expect(wallets.map(({ action, target }) => [action, target.id])).to.deep.equal([['wallet.credited', '@alice:hs.test'], ['wallet.credited', '@bob:hs.test'], ['wallet.frozen', '@alice:hs.test'], ['wallet.unfrozen', '@alice:hs.test']]);
    }, { description: `the entries; at first: ${stdout}`, timeoutMs: 20_000 });
  });

  it('has the running server tell the mini-apps that may see the balance', async () => {
    const database = openDatabase({ url: server.env.TMCP_DATABASE_URL!, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    await database.sql('scope_grant').insert({ user_id: '@carl:hs.test', miniapp_id: 'ma_watcher', scope: 'wallet:balance', state: 'granted', method: 'test', granted_at: 1 });
    for (const user of ['@carl:hs.test', '@dora:hs.test']) await run('credit', user, '3', 'EUR');
    await eventually(async () => expect(await database.sql('job').where({ kind: 'wallet.updated' }).pluck<string[]>('state')).to.deep.equal(['done']), { description: 'the server has told, once' });
    await database.close();
  });

  it('passes an audit of books in order, and fails one of books that are not', async () => {
    const good = await run('audit');
    expect(good.code).to.equal(0);
    expect(good.stdout).to.match(/^CURRENCY/);
    expect(good.stderr).to.equal('the books are in order\n');
    const database = openDatabase({ url: server.env.TMCP_DATABASE_URL!, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    await database.sql('ledger_account').where({ owner: '@alice:hs.test' }).increment('cr_posted', 1);
    await database.close();
    const bad = await run('audit');
    expect(bad.code).to.equal(1);
    expect(bad.stderr).to.match(/^broken: each balance equals a replay of the transfers: .*@alice:hs\.test.*cr_posted=10011.*replayed_cr_posted=10010/m).and.to.contain('2 breaks in the books');
  });
});
