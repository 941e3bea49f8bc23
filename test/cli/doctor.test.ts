import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { judgeFreeSpace } from '../../src/cli/doctor/storage.ts';
import { requireOrSkip } from '../support/availability.ts';
import { startServer, type TestServer } from '../support/http-server.ts';
import { prepareServer, ServerProcess } from '../support/server-process.ts';
import { startSynapse, SYNAPSE_HOOK_TIMEOUT_MS, synapseAvailable, type Synapse } from '../support/synapse.ts';
import { freePort, temporaryDirectory } from '../support/temporary.ts';
import { tmcp, tmcpPrints } from '../support/tmcp.ts';

interface Check {
  name: string;
  status: 'ok' | 'warning' | 'failed' | 'skipped';
  summary: string;
  mend?: string;
}

interface Diagnosis {
  code: number | string | null;
  status: string;
  checks: Map<string, Check>;
  /** Names of the checks by what they found. */
  readonly names: (status: Check['status']) => string[];
}

async function diagnose(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Diagnosis> {
  const { code, stdout, stderr } = await tmcp(['doctor', '--json', ...args], { env, cwd: temporaryDirectory('doctor') });
  for (const secret of secrets) expect(stdout + stderr).not.to.contain(secret);
  const { status, checks } = JSON.parse(stdout) as { status: string; checks: Check[] };
  for (const check of checks) expect(check.mend !== undefined, check.name).to.equal(check.status === 'warning' || check.status === 'failed');
  return { code, status, checks: new Map(checks.map((check) => [check.name, check])), names: (wanted) => checks.filter((check) => check.status === wanted).map(({ name }) => name) };
}

/** What no diagnosis may show. */
const secrets: string[] = [];

type Registration = Record<string, unknown> & { as_token: string; hs_token: string };
const readRegistration = (file: string): Registration => parse(readFileSync(file, 'utf8')) as Registration;

describe('tmcp doctor, with the registration that "tmcp register" made', function () {
  this.timeout(60_000);
  let synapse: Synapse;
  let server: ServerProcess;
  let file: string;
  let env: Readonly<Record<string, string>>;

  before(async function () {
    this.timeout(SYNAPSE_HOOK_TIMEOUT_MS);
    requireOrSkip(this, await synapseAvailable());
    const port = await freePort();
    file = join(temporaryDirectory('doctor'), 'made.yaml');
    await tmcpPrints(['register', '-u', `http://127.0.0.1:${port}`, '-f', file, '--domain', 'hs.test']);
    const { as_token, hs_token } = readRegistration(file);
    secrets.push(as_token, hs_token);
    synapse = await startSynapse({ registrations: [{ yaml: readFileSync(file, 'utf8') }] });
    server = await prepareServer({ synapse, port, env: { TMCP_HOMESERVER_REGISTRATION: file } });
    env = server.env;
  });
  after(async () => {
    await server?.stop();
    await synapse?.stop();
  });

  const variant = (name: string, changes: Record<string, unknown>): string => {
    const path = join(server.directory, name);
    writeFileSync(path, stringify({ ...readRegistration(file), ...changes }), { mode: 0o600 });
    return path;
  };

  it('says to start the server first', async () => {
    const { code, status, checks, names } = await diagnose(env);
    expect({ code, status }).to.deep.equal({ code: 1, status: 'failed' });
    expect(names('failed')).to.deep.equal(['homeserver-reaches-us']);
    expect(names('warning')).to.deep.equal(['database', 'key-ring']);
    expect(checks.get('homeserver-reaches-us')?.mend).to.equal('start the server first, then run this again');
    expect(checks.get('homeserver-knows-us')?.summary).to.equal('as @_tmcp:hs.test');
  });

  it('finds nothing wrong once the server runs', async () => {
    await server.start();
    const { code, status, checks, names } = await diagnose(env);
    expect(names('ok')).to.deep.equal([...checks.keys()]);
    expect({ code, status }).to.deep.equal({ code: 0, status: 'ok' });
    expect(checks.get('homeserver-reaches-us')?.summary).to.equal(`at ${server.url}`);
    const { stdout, stderr } = await tmcp(['doctor'], { env });
    expect(stdout).to.match(/^ok +homeserver-knows-us +as @_tmcp:hs\.test$/m);
    expect(stderr).to.equal('all is well\n');
  });

  it('finds another server name', async () => {
    const { code, checks } = await diagnose({ ...env, TMCP_HOMESERVER_DOMAIN: 'other.test' });
    expect(code).to.equal(1);
    expect(checks.get('homeserver-domain')?.summary).to.equal('homeserver.domain is other.test, and the homeserver is hs.test');
    expect(checks.get('registration')?.summary).to.contain('@_tmcp:other.test');
  });

  it('finds a developer console without a secret once others can reach it', async () => {
    const outside = { ...env, TMCP_SERVER_PUBLIC_URL: 'https://tmcp.example.org' };
    const { checks } = await diagnose(outside);
    expect(checks.get('developer-console')).to.deep.include({ status: 'warning', mend: 'set developers.console.client_secret (or its _FILE) and give it to the console' });
    const secret = 'the-console-secret-of-this-test';
    secrets.push(secret);
    expect((await diagnose({ ...outside, TMCP_DEVELOPERS_CONSOLE_CLIENT_SECRET: secret })).checks.get('developer-console')?.status).to.equal('ok');
  });

  it('finds an as_token that the homeserver does not know', async () => {
    const { code, checks, names } = await diagnose({ ...env, TMCP_HOMESERVER_REGISTRATION: variant('new-tokens.yaml', { as_token: 'another-as-token' }) });
    expect(code).to.equal(1);
    expect(names('failed')).to.deep.equal(['homeserver-knows-us']);
    expect(checks.get('homeserver-knows-us')?.mend).to.contain('app_service_config_files');
    expect(names('skipped')).to.deep.equal(['homeserver-domain', 'homeserver-reaches-us']);
  });

  it('finds that the two have different hs_tokens', async () => {
    await server.stop();
    const other = new ServerProcess(Number(new URL(server.url).port), Number(new URL(server.metricsUrl).port), server.directory, {
      ...env,
      TMCP_HOMESERVER_REGISTRATION: variant('new-hs-token.yaml', { hs_token: 'another-hs-token' }),
    });
    await other.start();
    try {
      const { names, checks } = await diagnose(other.env);
      expect(names('failed')).to.deep.equal(['homeserver-reaches-us']);
      expect(checks.get('homeserver-reaches-us')?.summary).to.match(/was answered 403$/);
      expect(checks.get('homeserver-reaches-us')?.mend).to.contain('different hs_tokens');
    } finally {
      await other.stop();
    }
    await server.start();
  });

  it('finds that the homeserver goes to the wrong place', async function () {
    this.timeout(60_000);
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const wrong = variant('nowhere.yaml', { url: nowhere });
    await synapse.restart(async () => synapse.updateRegistration(readFileSync(wrong, 'utf8')));
    const { names, checks } = await diagnose({ ...env, TMCP_HOMESERVER_REGISTRATION: wrong });
    expect(names('failed')).to.deep.equal(['homeserver-reaches-us']);
    expect(checks.get('homeserver-reaches-us')?.summary).to.contain(nowhere).and.to.contain('could not connect');
    await synapse.restart(async () => synapse.updateRegistration(readFileSync(file, 'utf8')));
    expect((await diagnose(env)).status).to.equal('ok');
  });

  it('warns of a registration that others can read', async () => {
    chmodSync(file, 0o644);
    const { code, checks, names } = await diagnose(env);
    expect({ code, warnings: names('warning') }).to.deep.equal({ code: 0, warnings: ['registration'] });
    expect(checks.get('registration')?.mend).to.equal(`chmod 600 ${file}`);
    chmodSync(file, 0o600);
  });
});

describe('tmcp doctor, without a homeserver', function () {
  this.timeout(60_000);
  let server: ServerProcess;
  let data: string;
  beforeEach(async () => {
    server = await prepareServer();
    data = join(server.directory, 'data');
  });

  it('finds that no homeserver is there', async () => {
    const { code, names, checks } = await diagnose(server.env);
    expect({ code, failed: names('failed') }).to.deep.equal({ code: 1, failed: ['homeserver'] });
    expect(checks.get('homeserver')?.summary).to.match(/^http:\/\/127\.0\.0\.1:9: /);
    expect(names('skipped')).to.include.members(['homeserver-knows-us', 'homeserver-reaches-us', 'clock']);
  });

  it('reports every line of a wrong configuration', async () => {
    const { code, names, checks } = await diagnose({ ...server.env, TMCP_SERVER_PORT: 'many', TMCP_SERVRE_HOST: 'x' });
    expect({ code, failed: names('failed') }).to.deep.equal({ code: 1, failed: ['configuration'] });
    expect(checks.get('configuration')?.summary.split('\n').map((line) => line.split(':')[0])).to.have.members(['server.port', 'TMCP_SERVRE_HOST']);
    expect(names('ok')).to.deep.equal([]);
  });

  it('looks at the rest when only the registration is wrong', async () => {
    const { names, checks } = await diagnose({ ...server.env, TMCP_SERVER_HOST: '0.0.0.0' });
    expect(names('failed')).to.deep.equal(['registration', 'homeserver']);
    expect(checks.get('registration')?.summary).to.contain('public development tokens');
    const missing = await diagnose({ ...server.env, TMCP_HOMESERVER_REGISTRATION: 'none.yaml' });
    expect(missing.checks.get('registration')).to.deep.include({ status: 'failed' });
    expect(missing.checks.get('registration')?.mend).to.contain('tmcp register');
    expect(missing.names('ok')).to.include.members(['configuration', 'data-directory']);
  });

  it('finds a data directory that is none', async () => {
    writeFileSync(data, '');
    const { checks } = await diagnose({ ...server.env, TMCP_DATABASE_URL: `sqlite:${join(server.directory, 'tmcp.db')}` });
    expect(checks.get('data-directory')).to.deep.include({ status: 'failed', summary: `${data} is not a directory` });
  });

  it('finds a file that is no database', async () => {
    mkdirSync(data);
    writeFileSync(join(data, 'tmcp.db'), 'not a database'.repeat(1000));
    const { names, checks } = await diagnose(server.env);
    expect(names('failed')).to.include('database');
    expect(checks.get('database')?.summary).to.contain('file is not a database');
  });

  it('finds a database that is behind', async () => {
    mkdirSync(data);
    writeFileSync(join(data, 'tmcp.db'), '');
    const { names, checks } = await diagnose(server.env);
    expect(names('warning')).to.deep.equal(['migrations', 'key-ring']);
    expect(checks.get('migrations')?.summary).to.contain('0001-jobs');
  });

  it('finds a key ring that is missing, open to others, or damaged', async () => {
    await server.start();
    await server.stop();
    const ring = join(data, 'key-ring.json');
    secrets.push((JSON.parse(readFileSync(ring, 'utf8')) as { keys: { secret: string }[] }).keys[0]?.secret ?? '');
    expect((await diagnose(server.env)).checks.get('key-ring')?.status).to.equal('ok');

    chmodSync(ring, 0o640);
    const open = (await diagnose(server.env)).checks.get('key-ring');
    expect(open).to.deep.include({ status: 'failed', mend: `chmod 600 ${ring}` });

    writeFileSync(ring, '{}');
    const damaged = (await diagnose(server.env)).checks.get('key-ring');
    expect(damaged?.status).to.equal('failed');
    expect(damaged?.summary).to.contain('is not a key ring');

    rmSync(ring);
    const missing = (await diagnose(server.env)).checks.get('key-ring');
    expect(missing).to.deep.include({ status: 'failed', summary: `${ring} is missing, and the database holds what it sealed` });
  });

  it('counts free space', () => {
    const mebibyte = 2 ** 20;
    const found = [50, 500, 5000].map((free) => judgeFreeSpace(free * mebibyte, '/var/lib/tmcp'));
    expect(found.map(({ status }) => status)).to.deep.equal(['failed', 'warning', 'ok']);
    expect(found[1]?.summary).to.equal('500 MiB free at /var/lib/tmcp');
  });
});

describe('tmcp doctor, with what answers in the place of a homeserver', function () {
  this.timeout(60_000);
  let other: TestServer;
  let env: Readonly<Record<string, string>>;
  /** `aheadMs`: what its clock shows when it answers, besides ours. */
  let answer: { status: number; headers: Record<string, string>; body: object; aheadMs?: number };
  before(async () => {
    other = await startServer((_request, response) => {
      const clock: Record<string, string> = answer.aheadMs === undefined ? {} : { date: new Date(Date.now() + answer.aheadMs).toUTCString() };
      response.writeHead(answer.status, { 'content-type': 'application/json', ...clock, ...answer.headers }).end(JSON.stringify(answer.body));
    });
    env = (await prepareServer({ env: { TMCP_HOMESERVER_URL: other.url, TMCP_MAS_ISSUER: `${other.url}/`, TMCP_MAS_CLIENT_ID: '01JABCDEFGHJKMNPQRSTVWXYZ0', TMCP_MAS_CLIENT_SECRET: 'mas-client-secret' } })).env;
    secrets.push('mas-client-secret');
  });
  after(() => other?.close());

  it('knows that it is none', async () => {
    answer = { status: 404, headers: {}, body: {} };
    const { checks } = await diagnose(env);
    expect(checks.get('homeserver')).to.deep.include({ status: 'failed', summary: `${other.url} answered 404 and not as a homeserver does` });
    expect(checks.get('authentication-service')).to.deep.include({ status: 'failed', summary: `${other.url}/ answered 404 to discovery` });
  });

  it('does not follow it elsewhere with the token', async () => {
    answer = { status: 302, headers: { location: 'http://127.0.0.1:9/' }, body: {} };
    expect((await diagnose(env)).checks.get('homeserver')?.summary).to.contain('answered 302');
  });

  it('warns when its clock is another', async () => {
    const versions = { versions: ['v1.12'], issuer: `${other.url}/`, introspection_endpoint: `${other.url}/introspect` };
    answer = { status: 200, headers: {}, body: versions, aheadMs: 60_000 };
    const ahead = await diagnose(env);
    expect(ahead.checks.get('clock')?.status).to.equal('warning');
    expect(ahead.checks.get('clock')?.summary).to.match(/^the homeserver's clock is \d+ s ahead$/);
    expect(parseInt(ahead.checks.get('clock')?.summary.replace(/\D+/, '') ?? '', 10)).to.be.closeTo(60, 2);
    expect(ahead.checks.get('authentication-service')?.status).to.equal('ok');
    answer = { ...answer, aheadMs: -3_600_000 };
    expect((await diagnose(env)).checks.get('clock')?.summary).to.match(/ s behind$/);
    answer = { ...answer, aheadMs: 0 };
    expect((await diagnose(env)).checks.get('clock')).to.deep.equal({ name: 'clock', status: 'ok', summary: "as the homeserver's" });
  });

  it('finds an authentication service that has another name', async () => {
    answer = { status: 200, headers: {}, body: { issuer: 'https://elsewhere.example/', introspection_endpoint: 'https://elsewhere.example/introspect' } };
    expect((await diagnose(env)).checks.get('authentication-service')?.summary).to.equal(`${other.url}/ calls itself "https://elsewhere.example/"`);
  });
});
