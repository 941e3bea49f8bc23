import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { temporaryDirectory } from '../support/temporary.ts';
import { tmcp, type Answer } from '../support/tmcp.ts';

const commands = ['start', 'register', 'doctor', 'migrate', 'keys list', 'keys rotate', 'keys add', 'admin token', 'admin tokens list', 'admin tokens revoke', 'wallet credit', 'wallet freeze', 'wallet unfreeze', 'wallet verify', 'wallet audit', 'queue list', 'queue show', 'queue replay', 'queue discard', 'backup'];

describe('command line: usage', function () {
  this.timeout(60_000);
  let cwd: string;
  beforeEach(() => {
    cwd = temporaryDirectory('usage');
  });

  const run = (...args: string[]): Promise<Answer> => tmcp(args, { cwd });

  it('explains every command with an example, on standard output', async () => {
    await Promise.all(
      commands.map(async (command) => {
        const { code, stdout, stderr } = await run(...command.split(' '), '-h');
        expect({ code, stderr }, command).to.deep.equal({ code: 0, stderr: '' });
        expect(stdout).to.contain(`Usage: tmcp ${command}`).and.to.match(/\nExample: .*tmcp /);
      }),
    );
  });

  const wrong: [string, string[], RegExp][] = [
    ['nothing', [], /Usage: tmcp/],
    ['an unknown command', ['frob'], /unknown command 'frob'/],
    ['a group without a command', ['queue'], /Usage: tmcp queue/],
    ['an unknown option', ['doctor', '--frob'], /unknown option '--frob'/],
    ['an argument too many', ['migrate', 'now'], /too many arguments/],
    ['a missing argument', ['backup'], /missing required argument 'file'/],
    ['a missing option', ['admin', 'token'], /required option '--name <name>'/],
    ['a number that is none', ['queue', 'list', '--limit', 'x'], /whole number from 1 to 100000/],
    ['a number that is too large', ['admin', 'token', '--name', 'a', '--days', '4000'], /whole number from 1 to 3650/],
    ['a name that would break a list', ['admin', 'token', '--name', 'a\nb'], /1 to 100 characters/],
    ['a level that is none', ['wallet', 'verify', '@a:example.org', '4'], /whole number from 1 to 3/],
    ['a state that is none', ['queue', 'list', '--state', 'done'], /Allowed choices are parked, queued/],
    ['no job to replay', ['queue', 'replay'], /name the jobs, or give --all/],
    ['both jobs and all of them', ['queue', 'replay', 'job_a', '--all'], /name the jobs, or give --all/],
    ['a URL that is none', ['register', '-u', 'example.org'], /http:\/\/ or https:\/\/ URL/],
    ['a URL with credentials', ['register', '-u', 'https://me:hunter2@example.org'], /without credentials/],
    ['another bot', ['register', '-u', 'https://example.org', '-l', 'bot'], /Allowed choices are _tmcp/],
    ['a domain that is none', ['register', '-u', 'https://example.org', '--domain', 'a b'], /Matrix server name/],
  ];
  it('ends with 2 for a wrong use, says what is wrong, and touches nothing', async () => {
    await Promise.all(
      wrong.map(async ([what, args, message]) => {
        const { code, stdout, stderr } = await run(...args);
        expect({ code, stdout }, what).to.deep.equal({ code: 2, stdout: '' });
        expect(stderr, what).to.match(message);
      }),
    );
    expect(readdirSync(cwd)).to.deep.equal([]);
  });

  it('prints its version', async () => {
    const { code, stdout } = await run('--version');
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: '0.1.0\n' });
  });

  it('shows what is wrong with the configuration, a line each, without a stack', async () => {
    writeFileSync(join(cwd, 'wrong.yaml'), 'server: { port: many }\nservre: { host: 127.0.0.1 }\n');
    for (const args of [['start'], ['migrate'], ['queue', 'list'], ['backup', 'copy.db']]) {
      const { code, stdout, stderr } = await run('-c', 'wrong.yaml', ...args);
      expect({ code, stdout }, args.join(' ')).to.deep.equal({ code: 1, stdout: '' });
      expect(stderr.trimEnd().split('\n').map((line) => line.split(':')[0]), stderr).to.have.members(['server.port', 'servre']);
    }
  });

  it('takes the configuration file before and after the command', async () => {
    for (const args of [['-c', 'none.yaml', 'queue', 'list'], ['queue', 'list', '-c', 'none.yaml']]) {
      const { code, stderr } = await run(...args);
      expect({ code, stderr }).to.deep.equal({ code: 1, stderr: 'none.yaml: cannot be read: there is no such file; allowed: a readable YAML file\n' });
    }
  });

  it('makes no database where there is none, but for "migrate"', async () => {
    await Promise.all([['queue', 'list'], ['admin', 'token', '--name', 'alice'], ['admin', 'tokens', 'list'], ['backup', 'copy.db'], ['migrate', '--status'], ['doctor']].map((args) => run(...args)));
    expect(readdirSync(cwd)).to.deep.equal([]);
    const { code, stderr } = await run('queue', 'list');
    expect(code).to.equal(1);
    expect(stderr).to.contain(`there is no database at ${join(cwd, 'data/tmcp.db')}`).and.to.contain('tmcp migrate');
  });

  it('says in one line why the server does not start', async () => {
    const registration = join(cwd, 'registration.yaml');
    writeFileSync(registration, 'id: tmcp\n');
    const { code, stdout, stderr } = await run('start');
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.match(/^homeserver\.registration: .*as_token is missing/m).and.not.to.match(/^\s+at /m);
  });
});
