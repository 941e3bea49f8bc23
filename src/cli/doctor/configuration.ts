import { statSync } from 'node:fs';
import { ConfigError, isLoopbackUrl, loadConfig, loadRegistration, usesDevelopmentTokens, type Config, type Registration } from '../../config/index.ts';
import { failed, ok, skipped, warning, type Finding, type NamedFinding } from './check.ts';

/** The configuration as far as it can be used, and what was found on the way. */
export interface Examined {
  readonly config: Config | undefined;
  /** Well formed; whether it can be used is among the findings. */
  readonly registration: Registration | undefined;
  readonly findings: readonly NamedFinding[];
}

interface Attempt<T> {
  readonly value?: T;
  readonly problem?: string;
}

function attempt<T>(load: () => T): Attempt<T> {
  try {
    return { value: load() };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problem: error.message };
  }
}

function judgeRegistration(path: string, registration: Registration): Finding {
  if (usesDevelopmentTokens(registration)) return ok(`${path}: the development tokens, which only loopback accepts`);
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return ok(path);
  return warning(`${path}: others on this machine can read it (mode ${mode.toString(8).padStart(4, '0')})`, `chmod 600 ${path}`);
}

/** Section 4.4.9: the console is a trusted service with a secret of its own. Without one, whoever has a developer's Matrix token can act as it. */
function judgeConsole({ server, developers }: Config): Finding {
  if (developers.console.client_secret !== undefined) return ok('has a secret');
  if (isLoopbackUrl(server.public_url)) return ok('has no secret, and only this machine reaches it');
  return warning('has no secret: any program can ask for developer tokens in its name', 'set developers.console.client_secret (or its _FILE) and give it to the console');
}

const mendRegistration = 'make one with "tmcp register -u URL -f FILE", let the homeserver load it, and set homeserver.registration to it';

/** Reads the configuration; when only the registration is wrong, the rest is still looked at. */
export function examineConfiguration(file: string | undefined): Examined {
  const source = file ?? process.env.TMCP_CONFIG;
  const name = source === undefined ? 'no file: the environment and defaults' : source;
  const whole = attempt(() => loadConfig({ file }));
  const config = whole.value ?? attempt(() => loadConfig({ file, ignoreRegistration: true })).value;
  if (config === undefined) {
    const findings = [
      { name: 'configuration', ...failed(whole.problem ?? '', 'set each key to what is allowed; docs/configuration.md has them all') },
      { name: 'registration', ...skipped('needs the configuration') },
    ];
    return { config, registration: undefined, findings };
  }
  const { registration: path } = config.homeserver;
  const registration = attempt(() => loadRegistration(path)).value;
  const isUsable = whole.value !== undefined && registration !== undefined;
  return {
    config,
    registration,
    findings: [
      { name: 'configuration', ...ok(name) },
      { name: 'registration', ...(isUsable ? judgeRegistration(path, registration) : failed(whole.problem ?? '', mendRegistration)) },
      { name: 'developer-console', ...judgeConsole(config) },
    ],
  };
}
