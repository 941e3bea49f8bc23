import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { requireOrSkip } from '../support/availability.ts';
import { postgresAvailable, sharedPostgres } from '../support/postgres.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tmcp, tmcpJson, tmcpPrints } from '../support/tmcp.ts';

const migrationNames = (list: unknown): string[] => (list as { migrations: { name: string }[] }).migrations.map(({ name }) => name);
const migrationStates = (list: unknown): string[] => (list as { migrations: { state: string }[] }).migrations.map(({ state }) => state);

describe('tmcp migrate', function () {
  this.timeout(60_000);
  it('lists the migrations of a database that is not there, makes it, and then has nothing to do', async () => {
    const cwd = temporaryDirectory('migrate');
    const before = await tmcpJson(['migrate', '--status', '--json'], { cwd });
    expect(new Set(migrationStates(before))).to.deep.equal(new Set(['pending']));

    expect(await tmcpPrints(['migrate'], { cwd })).to.equal(`${migrationNames(before).join('\n')}\n`);

    const after = await tmcpJson(['migrate', '--status', '--json'], { cwd });
    expect(migrationNames(after)).to.deep.equal(migrationNames(before));
    expect(new Set(migrationStates(after))).to.deep.equal(new Set(['done']));
    expect(await tmcpJson(['migrate', '--json'], { cwd })).to.deep.equal({ ran: [] });
    expect(await tmcpPrints(['migrate', '--status'], { cwd })).to.match(/^MIGRATION +STATE\n0001-jobs +done\n/);
  });

  it('does the same on PostgreSQL, whose password nobody sees', async function () {
    requireOrSkip(this, await postgresAvailable());
    const url = new URL(await (await sharedPostgres()).createDatabase());
    const password = 'hunter2-do-not-show';
    url.password = password;
    const env = { TMCP_DATABASE_URL: url.href };
    const cwd = temporaryDirectory('migrate');

    const early = await tmcp(['queue', 'list'], { cwd, env });
    expect(early.code).to.equal(1);
    expect(early.stderr).to.contain('the database lacks 0001-jobs');

    const names = migrationNames(await tmcpJson(['migrate', '--status', '--json'], { cwd, env }));
    expect(await tmcpJson(['migrate', '--json'], { cwd, env })).to.deep.equal({ ran: names });
    expect(await tmcpPrints(['admin', 'token', '--name', 'alice'], { cwd, env })).to.match(/^adm_/);
    expect(await tmcpJson(['queue', 'list', '--json'], { cwd, env })).to.deep.equal({ jobs: [], has_more: false });
    expect((await tmcp(['queue', 'replay', '--all'], { cwd, env })).stderr).to.equal('queued 0 jobs again\n');

    const backup = await tmcp(['backup', 'copy.db'], { cwd, env });
    expect({ code: backup.code, stdout: backup.stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(backup.stderr).to.contain('pg_dump').and.to.contain('key-ring.json');

    url.port = '1';
    const away = { TMCP_DATABASE_URL: url.href };
    const answers = [early, backup, await tmcp(['queue', 'list'], { cwd, env: away }), await tmcp(['doctor', '--json'], { cwd, env: away })];
    expect(answers.map(({ code }) => code)).to.deep.equal([1, 1, 1, 1]);
    for (const { stdout, stderr } of answers) expect(stdout + stderr).not.to.contain(password);
    const { checks } = JSON.parse(answers[3]?.stdout ?? '') as { checks: { name: string; status: string; summary: string }[] };
    expect(checks.find(({ name }) => name === 'database')).to.deep.include({ status: 'failed' });
    expect(checks.find(({ name }) => name === 'database')?.summary).to.contain('ECONNREFUSED');
  });

  it('keeps a configured secret file secret', async () => {
    const cwd = temporaryDirectory('migrate');
    writeFileSync(join(cwd, 'secret'), 'mysql://root:hunter2-do-not-show@db/x');
    const { code, stderr } = await tmcp(['migrate'], { cwd, env: { TMCP_DATABASE_URL_FILE: 'secret' } });
    expect(code).to.equal(1);
    expect(stderr).to.match(/^database\.url: /).and.not.to.contain('hunter2');
  });
});
