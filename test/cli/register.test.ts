import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { loadConfig, loadRegistration } from '../../src/config/index.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tmcp, type Answer } from '../support/tmcp.ts';

interface RegistrationFile {
  as_token: string;
  hs_token: string;
  [key: string]: unknown;
}

const shipped = resolve(import.meta.dirname, '../../registration.yaml');
const url = 'https://tmcp.example.org';

describe('tmcp register', function () {
  this.timeout(60_000);
  let cwd: string;
  let file: string;
  beforeEach(() => {
    cwd = temporaryDirectory('register');
    file = join(cwd, 'registration.yaml');
  });

  const register = (...args: string[]): Promise<Answer> => tmcp(['register', '-u', url, ...args], { cwd });
  const read = (path = file): RegistrationFile => parse(readFileSync(path, 'utf8')) as RegistrationFile;
  const tokensOf = ({ as_token, hs_token }: RegistrationFile): object => ({ as_token, hs_token });

  it('makes a registration that only its owner can read and that the configuration accepts', async () => {
    const { code, stdout } = await register('--domain', 'example.org');

    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: `${file}\n` });
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    expect(readdirSync(cwd)).to.deep.equal(['registration.yaml']);
    const env = { TMCP_HOMESERVER_REGISTRATION: file, TMCP_HOMESERVER_DOMAIN: 'example.org', TMCP_HOMESERVER_URL: 'https://example.org', TMCP_SERVER_HOST: '0.0.0.0', TMCP_SERVER_PUBLIC_URL: url };
    expect(loadConfig({ env, cwd }).security.development).to.equal(false);
    const { as_token, hs_token, ...rest } = read();
    expect(as_token).to.match(/^[0-9a-f]{64}$/);
    expect(hs_token).to.match(/^[0-9a-f]{64}$/).and.not.to.equal(as_token);
    expect(rest).to.deep.equal({
      id: 'tmcp',
      url,
      sender_localpart: '_tmcp',
      rate_limited: false,
      receive_ephemeral: true,
      'io.element.msc4190': true,
      protocols: ['tween'],
      namespaces: {
        users: [
          { exclusive: true, regex: '@_tmcp.*:example\\.org' },
          { exclusive: true, regex: '@ma_.*:example\\.org' },
        ],
        aliases: [{ exclusive: true, regex: '#_tmcp_.*:example\\.org' }],
      },
    });
  });

  it('says what to do next on standard error, without the tokens', async () => {
    const { stderr } = await register('--domain', 'example.org');
    expect(stderr).to.contain(`app_service_config_files:\n      - ${file}`).and.to.contain('homeserver.domain: example.org').and.to.contain('tmcp doctor');
    expect(stderr).not.to.contain(read().as_token).and.not.to.contain(read().hs_token);
  });

  it('takes the domain and the place from the configuration, and the options of bridges', async () => {
    writeFileSync(join(cwd, 'config.yaml'), 'homeserver: { domain: "[2001:db8::1]:8448", registration: mine.yaml }\n');
    const { code, stdout } = await register('-r', '-l', '_tmcp', '-c', 'config.yaml');
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: `${join(cwd, 'mine.yaml')}\n` });
    const [users] = loadRegistration(join(cwd, 'mine.yaml')).namespaces.users;
    expect(users?.regex).to.equal('@_tmcp.*:\\[2001:db8::1\\]:8448');
  });

  it('leaves an existing file alone', async () => {
    writeFileSync(file, 'mine');
    const { code, stdout, stderr } = await register();
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.contain(`${file} exists already`);
    expect(readFileSync(file, 'utf8')).to.equal('mine');
  });

  it('keeps both tokens with --keep-tokens, and changes the rest', async () => {
    await register();
    const before = read();
    writeFileSync(file, JSON.stringify({ ...before, sender_localpart: 'broken', namespaces: undefined }), { mode: 0o644 });

    const { code } = await tmcp(['register', '-u', 'http://127.0.0.1:1234/', '--keep-tokens', '--domain', 'new.example'], { cwd });

    expect(code).to.equal(0);
    const after = read();
    expect(tokensOf(after)).to.deep.equal(tokensOf(before));
    expect(after).to.deep.include({ url: 'http://127.0.0.1:1234', sender_localpart: '_tmcp' });
    expect(JSON.stringify(after.namespaces)).to.contain('new\\\\.example');
    expect(statSync(file).mode & 0o777).to.equal(0o600);
  });

  it('makes new tokens with --force', async () => {
    await register();
    const before = read();
    expect((await register('--force')).code).to.equal(0);
    expect(read().as_token).not.to.equal(before.as_token);
    expect(read().hs_token).not.to.equal(before.hs_token);
  });

  it('writes through a symbolic link', async () => {
    const real = join(cwd, 'real.yaml');
    writeFileSync(real, 'old');
    symlinkSync(real, file);
    expect((await register('--force')).code).to.equal(0);
    expect(loadRegistration(real).url).to.equal(url);
    expect(loadRegistration(file)).to.deep.equal(loadRegistration(real));
  });

  it('has nothing to keep where there is no file, or no tokens in it', async () => {
    const missing = await register('--keep-tokens');
    expect(missing.code).to.equal(1);
    expect(missing.stderr).to.contain('no').and.to.contain('whose tokens could be kept');
    writeFileSync(file, 'as_token: hunter2\n');
    const broken = await register('--keep-tokens');
    expect(broken.code).to.equal(1);
    expect(broken.stderr).to.contain('as_token or hs_token is missing').and.not.to.contain('hunter2');
    expect(readFileSync(file, 'utf8')).to.equal('as_token: hunter2\n');
  });

  it('never touches the registration that comes with the package, nor keeps its tokens', async () => {
    const before = readFileSync(shipped, 'utf8');
    const link = join(cwd, 'link.yaml');
    symlinkSync(shipped, link);
    for (const args of [['-f', shipped, '--force'], ['-f', link, '--force'], ['-f', link, '--keep-tokens']]) {
      const { code, stderr } = await register(...args);
      expect(code, args.join(' ')).to.equal(1);
      expect(stderr).to.contain('comes with this package');
    }
    expect((await tmcp(['register', '-u', url], { cwd: resolve(shipped, '..') })).code).to.equal(1);
    expect(readFileSync(shipped, 'utf8')).to.equal(before);

    writeFileSync(file, before);
    const { code, stderr } = await register('--keep-tokens');
    expect(code).to.equal(1);
    expect(stderr).to.contain('development tokens');
  });

  it('leaves nothing behind when it cannot write', async () => {
    const { code, stderr } = await register('-f', 'none/registration.yaml');
    expect(code).to.equal(1);
    expect(stderr).to.contain(`there is no directory ${join(cwd, 'none')}`);
    expect(existsSync(file)).to.equal(false);
    expect(readdirSync(cwd)).to.deep.equal([]);
  });
});
