import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { describeDifference, renderOutputs } from '../../scripts/generate/outputs.ts';
import { type Config, ConfigError, type ConfigProblem, developmentTokens, isLoopbackHost, isLoopbackUrl, loadConfig, loadRegistration } from '../../src/config/index.ts';
import { settings } from '../../src/config/schema.ts';

const root = join(import.meta.dirname, '../..');
const secret = 'hunter2-do-not-show';

/** A registration as `tmcp register` makes it, with changes. */
const registrationText = (changes: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    id: 'tmcp',
    url: 'https://tmcp.example.org',
    as_token: 'as-0123456789abcdef',
    hs_token: 'hs-0123456789abcdef',
    sender_localpart: '_tmcp',
    rate_limited: false,
    receive_ephemeral: true,
    'io.element.msc4190': true,
    protocols: ['tween'],
    namespaces: { users: [{ exclusive: true, regex: '@_tmcp.*' }, { exclusive: true, regex: '@ma_.*' }], aliases: [{ exclusive: true, regex: '#_tmcp_.*' }], rooms: [] },
    ...changes,
  });

/** By path of the key, as in the documentation. */
const valueAt = (config: Config, path: string): unknown => path.split('.').reduce<unknown>((value, key) => (value as Readonly<Record<string, unknown>> | undefined)?.[key], config);

describe('configuration', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'tmcp-config-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  const write = (name: string, text: string): string => {
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), text);
    return name;
  };
  const load = (env: NodeJS.ProcessEnv = {}, yaml?: string): Config => loadConfig({ env, cwd, ...(yaml === undefined ? {} : { file: write('config.yaml', yaml) }) });
  const failure = (env: NodeJS.ProcessEnv, yaml?: string): ConfigError => {
    try {
      load(env, yaml);
    } catch (error) {
      if (error instanceof ConfigError) return error;
      throw error;
    }
    throw new Error('the configuration was accepted');
  };
  const problems = (env: NodeJS.ProcessEnv, yaml?: string): readonly ConfigProblem[] => failure(env, yaml).problems;
  const messages = (env: NodeJS.ProcessEnv, yaml?: string): string[] => failure(env, yaml).message.split('\n');

  describe('sources', () => {
    it('has the defaults of the schema without file and environment', () => {
      const config = load();
      const isPath = (path: string): boolean => settings.find((setting) => setting.path === path)?.node['x-path'] !== undefined || path === 'database.url';
      const plain = settings.filter(({ path, node }) => node.default !== undefined && !isPath(path) && !path.startsWith('mas.') && !path.startsWith('bundles.s3.') && !path.startsWith('wallet.remote.'));
      expect(plain.length).to.be.greaterThan(40);
      for (const { path, node } of plain) expect(valueAt(config, path), path).to.deep.equal(node.default);
      for (const path of ['mas', 'redis.url', 'wallet.remote', 'bundles.s3']) expect(valueAt(config, path), path).to.equal(undefined);
    });

    it('resolves paths from the working directory, and falls back to the shipped files', () => {
      const config = load();
      expect(config.server.data_dir).to.equal(join(cwd, 'data'));
      expect(config.database.url).to.equal(`sqlite:${join(cwd, 'data/tmcp.db')}`);
      expect(config.security.key_ring).to.equal(join(cwd, 'data/key-ring.json'));
      expect(config.homeserver.registration).to.equal(join(root, 'registration.yaml'));
      expect(config.catalog.preinstalled).to.equal(join(root, 'config/preinstalled_apps.json'));
      write('registration.yaml', registrationText());
      expect(load().homeserver.registration).to.equal(join(cwd, 'registration.yaml'));
      expect(problems({ TMCP_HOMESERVER_REGISTRATION: 'mine.yaml' })).to.deep.equal([
        { key: 'homeserver.registration', problem: `${join(cwd, 'mine.yaml')}: cannot be read: there is no such file`, allowed: 'a readable YAML file' },
      ]);
    });

    it('puts the database and the key ring into the data directory that is set', () => {
      const config = load({ TMCP_SERVER_DATA_DIR: '/var/lib/tmcp' });
      expect(config.database.url).to.equal('sqlite:/var/lib/tmcp/tmcp.db');
      expect(config.security.key_ring).to.equal('/var/lib/tmcp/key-ring.json');
    });

    it('lets the file go before defaults, and the environment before the file', () => {
      const yaml = 'server:\n  port: 1000\n  shutdown_grace_seconds: 7\n';
      const config = load({ TMCP_SERVER_PORT: '2000' }, yaml);
      expect(config.server.port).to.equal(2000);
      expect(config.server.shutdown_grace_seconds).to.equal(7);
      expect(config.metrics.port).to.equal(9627);
    });

    it('takes the file from TMCP_CONFIG, and the command line before that', () => {
      write('a.yaml', 'server: { port: 1001 }');
      write('b.yaml', 'server: { port: 1002 }');
      expect(loadConfig({ env: { TMCP_CONFIG: 'a.yaml' }, cwd }).server.port).to.equal(1001);
      expect(loadConfig({ env: { TMCP_CONFIG: 'a.yaml' }, cwd, file: 'b.yaml' }).server.port).to.equal(1002);
    });

    it('takes keys without a value, and files without keys, as not set', () => {
      expect(load({}, 'redis:\nserver:\n  port:\n').server.port).to.equal(8627);
      expect(load({}, '# nothing\n').server.port).to.equal(8627);
    });

    it('cannot be changed', () => {
      const config = load() as unknown as { server: { port: number; roles: string[] } };
      expect(() => (config.server.port = 1)).to.throw(TypeError);
      expect(() => config.server.roles.push('api')).to.throw(TypeError);
    });

    it('removes slashes at the end of addresses, but not from the issuer', () => {
      const mas = { TMCP_MAS_ISSUER: 'https://auth.example.org/', TMCP_MAS_CLIENT_ID: 'id', TMCP_MAS_CLIENT_SECRET: secret };
      const config = load({ TMCP_SERVER_PUBLIC_URL: 'http://localhost:8627/', TMCP_HOMESERVER_URL: 'http://localhost:8008/', ...mas });
      expect(config.server.public_url).to.equal('http://localhost:8627');
      expect(config.homeserver.url).to.equal('http://localhost:8008');
      expect(config.mas).to.deep.equal({ issuer: 'https://auth.example.org/', client_id: 'id', client_secret: secret, act_for_users: false, host_clients: [] });
    });
  });

  describe('environment', () => {
    it('has a variable of its own for every key', () => {
      const variables = settings.flatMap(({ variable, isSecret }) => (isSecret ? [variable, `${variable}_FILE`] : [variable]));
      expect(new Set(variables).size).to.equal(variables.length);
      expect(variables).not.to.include('TMCP_CONFIG');
      expect(variables.filter((variable) => variable.startsWith('TMCP_TEST_'))).to.deep.equal([]);
    });

    it('separates lists by commas', () => {
      const config = load({ TMCP_SERVER_ROLES: 'api, worker', TMCP_DEVELOPERS_WHITELIST: '@alice:example.org,@bob:example.org' });
      expect(config.server.roles).to.deep.equal(['api', 'worker']);
      expect(config.developers.whitelist).to.deep.equal(['@alice:example.org', '@bob:example.org']);
    });

    it('empties a list of the file by an empty variable', () => {
      expect(load({ TMCP_DEVELOPERS_WHITELIST: '' }, 'developers: { whitelist: ["@alice:example.org"] }').developers.whitelist).to.deep.equal([]);
    });

    it('reads truth values and integers', () => {
      const config = load({ TMCP_METRICS_ENABLED: 'false', TMCP_SERVER_PORT: '0' });
      expect(config.metrics.enabled).to.equal(false);
      expect(config.server.port).to.equal(0);
    });

    const wrongTexts: readonly [variable: string, text: string, message: string][] = [
      ['TMCP_SERVER_PORT', '80a', 'server.port: is "80a" (TMCP_SERVER_PORT); allowed: an integer from 0 to 65535'],
      ['TMCP_SERVER_PORT', '65536', 'server.port: is 65536 (TMCP_SERVER_PORT); allowed: an integer from 0 to 65535'],
      ['TMCP_SERVER_PORT', '', 'server.port: is empty (TMCP_SERVER_PORT); allowed: an integer from 0 to 65535'],
      ['TMCP_METRICS_ENABLED', 'yes', 'metrics.enabled: is "yes" (TMCP_METRICS_ENABLED); allowed: true or false'],
      ['TMCP_LOG_FORMAT', 'pretty', 'log.format: is "pretty" (TMCP_LOG_FORMAT); allowed: auto | json | text'],
      ['TMCP_SERVER_ROLES', '', 'server.roles: is an empty list (TMCP_SERVER_ROLES); allowed: a list of 1 or more, without repeats, of api | appservice | worker'],
      ['TMCP_SERVER_ROLES', 'api,bot', 'server.roles: item 2 is "bot" (TMCP_SERVER_ROLES); allowed: a list of 1 or more, without repeats, of api | appservice | worker'],
      ['TMCP_SERVER_ROLES', 'api,api', 'server.roles: has an item twice (TMCP_SERVER_ROLES); allowed: a list of 1 or more, without repeats, of api | appservice | worker'],
      ['TMCP_SERVER_PUBLIC_URL', 'localhost:8627', 'server.public_url: is "localhost:8627" (TMCP_SERVER_PUBLIC_URL); allowed: an http:// or https:// URL without path, credentials, query or fragment'],
      ['TMCP_SERVER_PUBLIC_URL', 'https://x.org/y', 'server.public_url: is "https://x.org/y" (TMCP_SERVER_PUBLIC_URL); allowed: an http:// or https:// URL without path, credentials, query or fragment'],
      ['TMCP_SERVER_TRUSTED_PROXIES', '10.0.0.0/33', 'server.trusted_proxies: item 1 is "10.0.0.0/33" (TMCP_SERVER_TRUSTED_PROXIES); allowed: a list, without repeats, of an IP address or a range such as 10.0.0.0/8'],
      ['TMCP_DEVELOPERS_WHITELIST', 'alice', 'developers.whitelist: item 1 is "alice" (TMCP_DEVELOPERS_WHITELIST); allowed: a list, without repeats, of a Matrix user id such as @alice:example.org'],
      ['TMCP_OAUTH_ACCESS_TOKEN_SECONDS', '86401', 'oauth.access_token_seconds: is 86401 (TMCP_OAUTH_ACCESS_TOKEN_SECONDS); allowed: an integer from 60 to 86400'],
      ['TMCP_DATABASE_URL', 'sqlite::memory:', 'database.url: has the wrong form (not shown, as it is a secret) (TMCP_DATABASE_URL); allowed: sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE'],
      ['TMCP_REDIS_URL', 'http://127.0.0.1', 'redis.url: has the wrong form (not shown, as it is a secret) (TMCP_REDIS_URL); allowed: redis://HOST:PORT or rediss://HOST:PORT, optionally with /DATABASE'],
      ['TMCP_SERVRE_PORT', '1', 'TMCP_SERVRE_PORT: is not a variable of this server; allowed: TMCP_ and the path of a key; the nearest is TMCP_SERVER_PORT'],
      ['TMCP_SERVER_PORT_FILE', '1', 'TMCP_SERVER_PORT_FILE: is not a variable of this server; allowed: TMCP_ and the path of a key; the nearest is TMCP_SERVER_PORT'],
    ];
    for (const [variable, text, message] of wrongTexts) {
      it(`refuses ${variable}=${text}`, () => expect(messages({ [variable]: text })).to.deep.equal([message]));
    }

    it('leaves variables of others alone', () => {
      expect(load({ TMCP_TEST_POSTGRES: 'anything', PATH: '/bin', MY_TMCP_THING: '1' }).server.port).to.equal(8627);
    });
  });

  describe('secrets', () => {
    it('come from a file, without the line break at its end', () => {
      write('secret', ` ${secret}\n`);
      expect(load({ TMCP_WALLET_REMOTE_URL: 'https://wallet.example.org', TMCP_WALLET_REMOTE_API_KEY_FILE: 'secret' }).wallet.remote?.api_key).to.equal(` ${secret}`);
    });

    it('come from a file before the configuration file', () => {
      write('secret', 'redis://from-the-file');
      expect(load({ TMCP_REDIS_URL_FILE: 'secret' }, 'redis: { url: "redis://from-the-yaml" }').redis.url).to.equal('redis://from-the-file');
    });

    it('are refused when both variables are set', () => {
      write('secret', secret);
      expect(messages({ TMCP_REDIS_URL: 'redis://127.0.0.1', TMCP_REDIS_URL_FILE: 'secret' })).to.deep.equal([
        'redis.url: is set by both TMCP_REDIS_URL and TMCP_REDIS_URL_FILE; allowed: one of the two',
      ]);
    });

    it('are refused when their file cannot be read or is empty', () => {
      write('empty', '\n');
      expect(messages({ TMCP_REDIS_URL_FILE: 'nowhere' })).to.deep.equal([
        'redis.url: "nowhere" cannot be read: there is no such file (TMCP_REDIS_URL_FILE); allowed: a readable file that holds the secret',
      ]);
      expect(messages({ TMCP_REDIS_URL_FILE: 'empty' })).to.deep.equal([
        'redis.url: is empty (TMCP_REDIS_URL_FILE); allowed: redis://HOST:PORT or rediss://HOST:PORT, optionally with /DATABASE',
      ]);
    });

    it('are not said to be missing as well when their file cannot be read', () => {
      const env = { TMCP_MAS_ISSUER: 'https://auth.example.org/', TMCP_MAS_CLIENT_ID: 'id', TMCP_MAS_CLIENT_SECRET_FILE: 'nowhere' };
      expect(problems(env).map(({ key }) => key)).to.deep.equal(['mas.client_secret']);
    });

    it('are never shown, whatever is wrong with them', () => {
      const yamls = [
        `mas: ${secret}`,
        `mas: [${secret}]`,
        `mas: { client_secrett: ${secret} }`,
        `mas: { client_secret: [${secret}] }`,
        `mas: { client_secret: { x: ${secret} } }`,
        `redis: { url: ${secret} }`,
        `database: { url: "http://user:${secret}@host/" }`,
        `homeserver: { url: "http://user:${secret}@host/" }`,
        `mas:\n  client_secret: "${secret}\n  issuer: x`,
        `mas:\n  client_secret: *${secret}`,
        `mas:\n  client_secret: !${secret} x`,
        `mas:\n\tclient_secret: ${secret}`,
        `mas: { client_secret: ${secret}`,
        `mas:\n  client_secret: ok\n  ${secret}`,
      ];
      for (const yaml of yamls) expect(failure({}, yaml).message, yaml).not.to.include(secret);
      for (const { variable } of settings.filter(({ isSecret }) => isSecret)) {
        write('secret', secret);
        const env = { TMCP_SERVER_PORT: 'x', [variable]: secret };
        expect(failure(env).message, variable).not.to.include(secret);
        expect(failure({ TMCP_SERVER_PORT: 'x', [`${variable}_FILE`]: 'secret' }).message, variable).not.to.include(secret);
      }
      expect(failure({ TMCP_MAS_CLIENT_SECRETT: secret }).message).not.to.include(secret);
    });
  });

  describe('file', () => {
    it('may not have unknown keys', () => {
      const [inSection, section, proto] = messages({}, 'server:\n  prot: 1\nsever:\n  port: 1\n__proto__: { a: 1 }\n');
      expect([inSection, section]).to.deep.equal([
        'server.prot: is not a key (line 2 of config.yaml); allowed: the keys of config/config.sample.yaml; the nearest is server.port',
        'sever: is not a key (line 3 of config.yaml); allowed: the keys of config/config.sample.yaml; the nearest is server',
      ]);
      expect(proto).to.match(/^__proto__: is not a key \(line 5 of config\.yaml\); allowed: the keys of config\/config\.sample\.yaml; the nearest is \w+$/);
    });

    it('is refused with all that is wrong, one line each', () => {
      const yaml = 'server:\n  port: "80"\n  roles: api\nhomeserver: x\nlog:\n  level: loud\noauth:\n  acces_token_seconds: "a\\nb"\n';
      expect(messages({ TMCP_METRICS_PORT: '-1', TMCP_SERVER_PUBLIC_URL: 'http://tmcp.example.org', 'TMCP_REDIS\nURL': '1' }, yaml)).to.deep.equal([
        'homeserver: is not a section (line 4 of config.yaml); allowed: a section with url, public_url, domain, registration, request_timeout_ms, openid_servers',
        'oauth.acces_token_seconds: is not a key (line 8 of config.yaml); allowed: the keys of config/config.sample.yaml; the nearest is oauth.access_token_seconds',
        'TMCP_REDIS URL: is not a variable of this server; allowed: TMCP_ and the path of a key; the nearest is TMCP_REDIS_URL',
        'server.port: is "80" (line 2 of config.yaml); allowed: an integer from 0 to 65535',
        'server.roles: is "api" (line 3 of config.yaml); allowed: a list of 1 or more, without repeats, of api | appservice | worker',
        'metrics.port: is -1 (TMCP_METRICS_PORT); allowed: an integer from 0 to 65535',
        'log.level: is "loud" (line 6 of config.yaml); allowed: fatal | error | warn | info | debug | trace | silent',
        'server.public_url: is "http://tmcp.example.org", which anyone on the way can read and change; allowed: https://, or http:// on loopback',
      ]);
    });

    it('is told by line where it is not YAML, together with what else is wrong', () => {
      expect(messages({ TMCP_SERVER_PORT: 'x' }, 'server:\n  port: 1\n  port: 2\n')).to.deep.equal([
        'config.yaml: line 3, column 3: a key is there twice; allowed: valid YAML 1.2',
        'server.port: is "x" (TMCP_SERVER_PORT); allowed: an integer from 0 to 65535',
      ]);
      // What the lost keys have to do with each other is not guessed at.
      expect(problems({ TMCP_SERVER_HOST: '0.0.0.0' }, 'security: {').map(({ key }) => key)).to.deep.equal(['config.yaml']);
      expect(messages({}, 'server:\n\tport: 1\n')[0]).to.equal('config.yaml: line 2, column 1: a tab is used as indentation; allowed: valid YAML 1.2');
      expect(messages({}, '- a\n- b\n')).to.deep.equal([
        `config.yaml: is not a section (config.yaml); allowed: a section with ${[...new Set(settings.map(({ path }) => path.split('.')[0]))].join(', ')}`,
      ]);
    });

    it('must be there when it is named', () => {
      expect(() => loadConfig({ env: {}, cwd, file: 'nowhere.yaml' })).to.throw(ConfigError, /^nowhere\.yaml: cannot be read: there is no such file; allowed: a readable YAML file$/);
    });
  });

  describe('keys that belong together', () => {
    it('wants all of mas or nothing', () => {
      expect(messages({ TMCP_MAS_ISSUER: 'https://auth.example.org/' })).to.deep.equal([
        'mas.client_id: is missing; allowed: a text that is not empty, or nothing in the whole section mas',
        'mas.client_secret: is missing; allowed: a text that is not empty, or nothing in the whole section mas',
      ]);
      expect(problems({ TMCP_MAS_HOST_CLIENTS: 'a' }).map(({ key }) => key)).to.deep.equal(['mas.issuer', 'mas.client_id', 'mas.client_secret']);
    });

    it('wants https:// of what is not loopback', () => {
      const mas = { TMCP_MAS_CLIENT_ID: 'id', TMCP_MAS_CLIENT_SECRET: secret };
      expect(problems({ ...mas, TMCP_MAS_ISSUER: 'http://auth.example.org/' }).map(({ key }) => key)).to.deep.equal(['mas.issuer']);
      expect(load({ ...mas, TMCP_MAS_ISSUER: 'http://localhost:8080/' }).mas?.issuer).to.equal('http://localhost:8080/');
    });

    it('wants a currency that there is', () => {
      expect(problems({ TMCP_WALLET_DEFAULT_CURRENCY: 'ABC' }).map(({ key, problem }) => [key, problem])).to.deep.equal([['wallet.default_currency', 'is "ABC", which is no currency']]);
      expect(problems({ TMCP_WALLET_DEFAULT_CURRENCY: 'usd' }).map(({ key }) => key)).to.deep.equal(['wallet.default_currency']);
      expect(load({ TMCP_WALLET_DEFAULT_CURRENCY: 'NGN' }).wallet.default_currency).to.equal('NGN');
    });

    it('wants an address and a key of a remote wallet', () => {
      const env = { TMCP_WALLET_ADAPTER: 'remote', TMCP_WALLET_REMOTE_URL: 'https://wallet.example.org/v1/', TMCP_WALLET_REMOTE_API_KEY: secret };
      expect(load(env).wallet.remote).to.deep.include({ url: 'https://wallet.example.org/v1', api_key: secret, timeout_ms: 5000, breaker_failures: 5, breaker_window: 10, breaker_open_seconds: 60, breaker_probe_seconds: 10 });
      expect([{ TMCP_WALLET_ADAPTER: 'remote' }, { ...env, TMCP_WALLET_REMOTE_URL: 'http://wallet.example.org' }, { ...env, TMCP_EXTERNAL_PROVIDER: 'sandbox' }].map((set) => problems(set).map(({ key }) => key))).to.deep.equal([['wallet.remote'], ['wallet.remote.url'], ['external.provider']]);
    });

    it('wants two ports', () => {
      expect(problems({ TMCP_METRICS_PORT: '8627' }).map(({ key }) => key)).to.deep.equal(['metrics.port']);
      expect(load({ TMCP_METRICS_PORT: '8627', TMCP_METRICS_ENABLED: 'false' }).metrics.port).to.equal(8627);
      expect(load({ TMCP_METRICS_PORT: '0', TMCP_SERVER_PORT: '0' }).metrics.port).to.equal(0);
    });
  });

  describe('development mode', () => {
    const exposures: readonly [env: NodeJS.ProcessEnv, reason: string][] = [
      [{ TMCP_SERVER_HOST: '0.0.0.0' }, 'server.host is not loopback'],
      [{ TMCP_SERVER_HOST: '::' }, 'server.host is not loopback'],
      [{ TMCP_SERVER_PUBLIC_URL: 'https://tmcp.example.org' }, 'server.public_url is not loopback'],
      [{ TMCP_SERVER_PUBLIC_URL: 'https://127.0.0.1.nip.io' }, 'server.public_url is not loopback'],
      [{ TMCP_HOMESERVER_URL: 'http://synapse:8008' }, 'homeserver.url is not loopback'],
      [{ TMCP_SERVER_HOST: '10.0.0.1', TMCP_HOMESERVER_URL: 'https://matrix.example.org' }, 'server.host and homeserver.url are not loopback'],
    ];
    const publicTokens = 'a registration of your own: `tmcp register -u URL`';

    for (const [env, reason] of exposures) {
      it(`refuses the public tokens with ${Object.values(env).join(' and ')}`, () => {
        const tokens = `homeserver.registration: has the public development tokens, and ${reason} (D24); allowed: ${publicTokens}`;
        expect(messages(env)).to.deep.equal([tokens]);
        expect(messages({ ...env, TMCP_SECURITY_DEVELOPMENT: 'true' })).to.deep.equal([`security.development: is true, and ${reason} (D24); allowed: false, or loopback addresses`, tokens]);
      });

      it(`is off, and refused when asked for, with own tokens and ${Object.values(env).join(' and ')}`, () => {
        write('registration.yaml', registrationText());
        expect(load(env).security.development).to.equal(false);
        expect(messages({ ...env, TMCP_SECURITY_DEVELOPMENT: 'true' })).to.deep.equal([`security.development: is true, and ${reason} (D24); allowed: false, or loopback addresses`]);
      });
    }

    it('is on on loopback, in all its spellings', () => {
      expect(load({ TMCP_SERVER_HOST: '::1', TMCP_SERVER_PUBLIC_URL: 'http://localhost:1', TMCP_HOMESERVER_URL: 'http://127.0.0.2:8008' }).security.development).to.equal(true);
    });

    it('is off where it is switched off, and the public tokens with it', () => {
      expect(messages({ TMCP_SECURITY_DEVELOPMENT: 'false' })).to.deep.equal([`homeserver.registration: has the public development tokens, and security.development is false (D24); allowed: ${publicTokens}`]);
      write('registration.yaml', registrationText());
      expect(load({ TMCP_SECURITY_DEVELOPMENT: 'false' }).security.development).to.equal(false);
    });

    it('knows the public tokens in other registrations as well, and in either place', () => {
      for (const tokens of [{ as_token: developmentTokens.asToken }, { hs_token: developmentTokens.hsToken }, { hs_token: developmentTokens.asToken }]) {
        write('registration.yaml', registrationText(tokens));
        expect(problems({ TMCP_SERVER_HOST: '0.0.0.0' }).map(({ key }) => key)).to.deep.equal(['homeserver.registration']);
      }
    });

    it('can be looked past by the commands that make a registration', () => {
      const env = { TMCP_SERVER_HOST: '0.0.0.0', TMCP_HOMESERVER_REGISTRATION: 'not-yet.yaml' };
      expect(loadConfig({ env, cwd, ignoreRegistration: true }).homeserver.registration).to.equal(join(cwd, 'not-yet.yaml'));
    });
  });

  describe('loopback', () => {
    it('is what can only be this machine', () => {
      for (const host of ['127.0.0.1', '127.255.255.254', '::1', '[::1]', 'localhost', 'LocalHost', '::ffff:127.0.0.1']) expect(isLoopbackHost(host), host).to.equal(true);
      for (const host of ['', '0.0.0.0', '::', '128.0.0.1', '126.255.255.255', '127.0.0.1.nip.io', 'localhost.example.org', '::2', '10.0.0.1']) expect(isLoopbackHost(host), host).to.equal(false);
      for (const url of ['http://127.1:8008', 'https://[::1]/x', 'http://LOCALHOST', 'http://2130706433/', 'http://[::ffff:127.0.0.1]/']) expect(isLoopbackUrl(url), url).to.equal(true);
      for (const url of ['', 'localhost', 'http://localhost@example.org', 'http://example.org#localhost', 'http://0.0.0.0']) expect(isLoopbackUrl(url), url).to.equal(false);
    });
  });

  describe('registration', () => {
    it('is shipped for development', () => {
      const namespace = (regex: string) => ({ exclusive: true, regex });
      expect(loadRegistration(join(root, 'registration.yaml'))).to.deep.equal({
        id: 'tmcp',
        url: 'http://127.0.0.1:8627',
        ...developmentTokens,
        senderLocalpart: '_tmcp',
        rateLimited: false,
        receiveEphemeral: true,
        managesDevices: true,
        protocols: ['tween'],
        namespaces: { users: [namespace('@_tmcp.*'), namespace('@ma_.*')], aliases: [namespace('#_tmcp_.*')], rooms: [] },
      });
    });

    it('has the defaults of the Matrix specification', () => {
      const optional = { url: null, rate_limited: undefined, receive_ephemeral: undefined, 'io.element.msc4190': undefined, protocols: undefined, namespaces: {} };
      write('mine.yaml', registrationText(optional));
      const { url, rateLimited, receiveEphemeral, managesDevices, protocols, namespaces } = loadRegistration(join(cwd, 'mine.yaml'));
      expect({ url, rateLimited, receiveEphemeral, managesDevices, protocols, namespaces }).to.deep.equal({
        url: null,
        rateLimited: true,
        receiveEphemeral: false,
        managesDevices: false,
        protocols: [],
        namespaces: { users: [], aliases: [], rooms: [] },
      });
    });

    it('is refused with everything that is wrong with it, and without its tokens', () => {
      const path = write('registration.yaml', registrationText({ id: '', url: 'x', as_token: undefined, hs_token: [secret], sender_localpart: 'bot', rate_limited: 1, protocols: 'tween', namespaces: { users: [{ exclusive: true, regex: '(' }] } }));
      const lines = messages({});
      const of = (problem: string): string => `homeserver.registration: ${join(cwd, path)}: ${problem}`;
      expect(lines.map((line) => line.split(';')[0])).to.deep.equal(
        ['id is wrong', 'url is wrong', 'as_token is missing', 'hs_token is wrong', 'sender_localpart is wrong', 'rate_limited is wrong', 'protocols is wrong', 'namespaces is wrong'].map(of),
      );
      expect(lines.join('\n')).not.to.include(secret);
    });

    it('is refused when its two tokens are one', () => {
      write('registration.yaml', registrationText({ as_token: secret, hs_token: secret }));
      expect(messages({})).to.deep.equal([
        `homeserver.registration: ${join(cwd, 'registration.yaml')}: as_token and hs_token are the same; allowed: two secrets: who holds one must not have the other`,
      ]);
    });

    it('is refused when it is not YAML, or something else', () => {
      write('registration.yaml', `as_token: ${secret}\nas_token: ${secret}\n`);
      expect(messages({})).to.deep.equal([`homeserver.registration: ${join(cwd, 'registration.yaml')}: line 2, column 1: a key is there twice; allowed: valid YAML 1.2`]);
      write('registration.yaml', secret);
      expect(messages({})).to.deep.equal([`homeserver.registration: ${join(cwd, 'registration.yaml')}: is not a registration; allowed: the file that \`tmcp register\` makes`]);
    });

    const allowed = "exclusive users '@_tmcp.*' and '@ma_.*', exclusive aliases '#_tmcp_.*'";
    it('must leave the bots, the mini-apps and the catalogue to the server, and nothing else', () => {
      const users = [{ exclusive: true, regex: '@_tmcp:.*' }, { exclusive: false, regex: '@ma_.*' }];
      write('registration.yaml', registrationText({ namespaces: { users, aliases: [] } }));
      expect(messages({ TMCP_HOMESERVER_DOMAIN: 'example.org' })).to.deep.equal([
        `homeserver.registration: its exclusive namespaces leave out @_tmcp_payments:example.org and @ma_example:example.org and #_tmcp_store:example.org; allowed: ${allowed}`,
      ]);
      write('registration.yaml', registrationText({ namespaces: { users: [{ exclusive: true, regex: '@.*' }], aliases: [{ exclusive: true, regex: '#_tmcp_.*' }] } }));
      expect(messages({})).to.deep.equal([`homeserver.registration: its user namespace takes in ordinary users of the homeserver; allowed: ${allowed}`]);
    });

    it('may name the homeserver in its namespaces, the right one', () => {
      const namespaces = { users: [{ exclusive: true, regex: '@_tmcp.*:example\\.org' }, { exclusive: true, regex: '@ma_.*:example\\.org' }], aliases: [{ exclusive: true, regex: '#_tmcp_.*:example\\.org' }] };
      write('registration.yaml', registrationText({ namespaces }));
      expect(load({ TMCP_HOMESERVER_DOMAIN: 'example.org' }).homeserver.domain).to.equal('example.org');
      expect(problems({ TMCP_HOMESERVER_DOMAIN: 'example.com' }).map(({ key }) => key)).to.deep.equal(['homeserver.registration']);
    });
  });

  describe('generated files', () => {
    it('are what the schema makes', async () => {
      const stale = (await renderOutputs()).filter(({ committed, rendered }) => committed !== rendered);
      expect(stale.map(describeDifference)).to.deep.equal([]);
    });

    it('have a sample that is exactly the defaults', () => {
      expect(loadConfig({ env: {}, cwd, file: join(root, 'config/config.sample.yaml') })).to.deep.equal(load());
    });

    it('have a sample that names every key once', async () => {
      const sample = (await renderOutputs()).find(({ name }) => name === 'config/config.sample.yaml')?.rendered ?? '';
      for (const { variable } of settings) expect(sample.match(new RegExp(`# Environment: ${variable}(,|\\n)`, 'g')), variable).to.have.lengthOf(1);
    });
  });
});
