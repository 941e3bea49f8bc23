import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/index.ts';
import { settings } from '../../src/config/schema.ts';
import { requireOrSkip } from '../support/availability.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const root = new URL('../../', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8');
const missing = (program: string): string | undefined => (spawnSync('sh', ['-c', `command -v ${program}`], { env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` } }).status === 0 ? undefined : `${program} is not on PATH`);
const defaults = loadConfig({ cwd: temporaryDirectory('deployment'), env: {}, ignoreRegistration: true });

/** What developers and clients send at most; a form's own lines come on top. */
const largestOfClients = Math.max(defaults.bundles.max_bytes, defaults.storage.max_bytes);

describe('deployment files', () => {
  const known = new Set(settings.flatMap(({ variable, isSecret }) => (isSecret ? [variable, `${variable}_FILE`] : [variable])));

  it('set only variables that there are', () => {
    const named = [...['Dockerfile', 'config/deployment/compose.yaml', 'config/deployment/tmcp-server.service'].map(read).join('\n').matchAll(/TMCP_[A-Z_]+/g)].map(([name]) => name);
    expect(named).to.have.length.greaterThan(8);
    expect(named.filter((name) => !known.has(name))).to.deep.equal([]);
  });

  it('copy and start what there is: Dockerfile', () => {
    const docker = read('Dockerfile');
    for (const [, from] of docker.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) for (const name of from!.split(' ')) expect(existsSync(new URL(name, root)), name).to.equal(true);
    expect(docker).to.match(/^USER node$/m).and.match(/^HEALTHCHECK /m).and.not.match(/npm (run|start)/);
    expect(existsSync(new URL('src/cli/main.js', root))).to.equal(true);
    // The public development tokens must not get into an image.
    expect(read('.dockerignore')).to.contain('registration.yaml');
    expect(docker).not.to.match(/COPY .*registration/);
  });

  it('are one whole: compose file', () => {
    const compose = parse(read('config/deployment/compose.yaml'), { merge: true }) as { services: Record<string, { read_only?: boolean; user?: string; environment?: Record<string, string>; networks?: unknown; secrets?: string[] }>; secrets: object; volumes: object };
    expect(Object.keys(compose.services)).to.include.members(['tmcp-1', 'tmcp-2', 'nginx', 'synapse', 'postgres', 'redis']);
    for (const name of ['tmcp-1', 'tmcp-2']) {
      const { read_only: readOnly, environment, secrets } = compose.services[name]!;
      expect(readOnly).to.equal(true);
      for (const secret of secrets!) expect(compose.secrets).to.have.property(secret);
      // The proxy's address is what nginx gets there.
      expect(JSON.stringify(compose.services.nginx!.networks)).to.contain(environment!.TMCP_SERVER_TRUSTED_PROXIES);
    }
  });

  it('let through what the homeserver sends: nginx', function () {
    this.timeout(30_000);
    const conf = read('config/deployment/nginx.conf');
    const [, size] = /location \/_matrix\/app\/ \{\s+client_max_body_size (\d+)m;/.exec(conf) ?? [];
    expect(Number(size) * 2 ** 20).to.be.at.least(defaults.server.appservice_body_limit_bytes);
    const [, ours] = /\n    client_max_body_size (\d+)m;/.exec(conf) ?? [];
    expect(Number(ours) * 2 ** 20).to.be.greaterThan(largestOfClients);
    requireOrSkip(this, missing('nginx') ?? missing('openssl'));
    const directory = temporaryDirectory('nginx');
    mkdirSync(join(directory, 'tls'));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', join(directory, 'tls/privkey.pem'), '-out', join(directory, 'tls/fullchain.pem'), '-subj', '/CN=tmcp.example.org', '-days', '1'], { stdio: 'ignore' });
    writeFileSync(join(directory, 'nginx.conf'), `pid ${directory}/nginx.pid; error_log ${directory}/error.log;\n${conf.replace(/tmcp-[12]:8627/g, '127.0.0.1:8627')}`);
    const checked = spawnSync('nginx', ['-t', '-p', directory, '-c', join(directory, 'nginx.conf')], { encoding: 'utf8', env: { PATH: `${process.env.PATH}:/usr/sbin` } });
    expect(checked.stderr).to.contain('test is successful');
  });

  it('let through the same and are what Caddy understands: Caddyfile', function () {
    this.timeout(30_000);
    requireOrSkip(this, missing('caddy'));
    const directory = temporaryDirectory('caddy');
    const caddy = (...args: string[]) => spawnSync('caddy', [...args, '--config', new URL('config/deployment/Caddyfile', root).pathname, '--adapter', 'caddyfile'], { encoding: 'utf8', cwd: directory, env: { PATH: process.env.PATH, HOME: directory } });
    const checked = caddy('validate');
    expect(checked.status, checked.stderr).to.equal(0);
    const adapted = JSON.parse(caddy('adapt').stdout) as object;
    const sizes = [...JSON.stringify(adapted).matchAll(/"max_size":(\d+)/g)].map(([, size]) => Number(size));
    expect(sizes).to.have.length(2);
    expect(Math.min(...sizes)).to.be.greaterThan(largestOfClients);
    expect(Math.max(...sizes)).to.be.at.least(defaults.server.appservice_body_limit_bytes);
  });

  it('are what systemd understands: unit', function () {
    this.timeout(30_000);
    requireOrSkip(this, missing('systemd-analyze'));
    const directory = temporaryDirectory('systemd');
    const unit = join(directory, 'tmcp-server.service');
    writeFileSync(unit, read('config/deployment/tmcp-server.service').replace('/usr/bin/node', process.execPath));
    const checked = spawnSync('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', unit], { encoding: 'utf8' });
    expect(checked.stderr.split('\n').filter((line) => line.includes('tmcp-server.service'))).to.deep.equal([]);
    expect(checked.status, checked.stderr).to.equal(0);
  });
});
