import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { startChild, tailOf, type Child } from './child-process.ts';
import { generousLimits } from './limits.ts';
import { atEnd } from './shutdown.ts';
import type { Synapse } from './synapse.ts';
import { freePort, temporaryDirectory } from './temporary.ts';

const START_LIMIT_MS = 60_000;
const POLL_MS = 20;
const realProgram = join(import.meta.dirname, '../../src/cli/main.js');

/** Tokens of the registration file that ships for development; only loopback accepts them. */
export const HS_TOKEN = 'development-only-hs-token-do-not-use-anywhere-else';
export const AS_TOKEN = 'development-only-as-token-do-not-use-anywhere-else';

/** The registration of a server on `port`, as YAML. */
export const registrationFor = (port: number): string =>
  stringify({
    id: 'tmcp',
    url: `http://127.0.0.1:${port}`,
    as_token: AS_TOKEN,
    hs_token: HS_TOKEN,
    sender_localpart: '_tmcp',
    rate_limited: false,
    receive_ephemeral: true,
    'io.element.msc4190': true,
    protocols: ['tween'],
    namespaces: { users: [{ exclusive: true, regex: '@_tmcp.*' }, { exclusive: true, regex: '@ma_.*' }], aliases: [{ exclusive: true, regex: '#_tmcp_.*' }], rooms: [] },
  });

export interface ServerOptions {
  /** Its homeserver; without one, the address of none. */
  readonly synapse?: Synapse;
  /** `sqlite:` in a temporary directory by default. */
  readonly databaseUrl?: string;
  readonly port?: number;
  readonly directory?: string;
  /** Another program that serves the same; the real one by default. */
  readonly program?: string;
  /** Another command of it that serves over HTTP; `start` by default. */
  readonly command?: (port: number) => readonly string[];
  /** More configuration, as environment variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Our server as an operating-system process of its own. */
export class ServerProcess {
  readonly url: string;
  readonly metricsUrl: string;
  readonly directory: string;
  readonly logFile: string;
  readonly env: Readonly<Record<string, string>>;
  readonly #program: string;
  readonly #command: readonly string[];
  #child: Child | undefined;

  constructor(port: number, metricsPort: number, directory: string, env: Readonly<Record<string, string>>, program = realProgram, command: readonly string[] = ['start']) {
    this.#program = program;
    this.#command = command;
    this.url = `http://127.0.0.1:${port}`;
    this.metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
    this.directory = directory;
    this.logFile = join(directory, 'server.log');
    this.env = env;
  }

  /** Starts the process, again after `kill` or `stop`, and waits until it says that it is ready. */
  async start(): Promise<void> {
    const child = startChild({
      command: process.execPath,
      args: ['--disable-warning=DEP0060', '--max-semi-space-size=4', this.#program, ...this.#command],
      directory: this.directory,
      logFile: this.logFile,
      lastSignal: 'SIGKILL',
      env: { PATH: process.env.PATH, ...this.env },
    });
    this.#child = child;
    const deadline = Date.now() + START_LIMIT_MS;
    while (!(await this.#isReady())) {
      if (!child.running) throw new Error(`The server ended (${await child.ended}):\n${tailOf(this.logFile, 30)}`);
      if (Date.now() > deadline) throw new Error(`The server was not ready within ${START_LIMIT_MS} ms:\n${tailOf(this.logFile, 30)}`);
      await delay(POLL_MS);
    }
  }

  /** `kill -9` */
  async kill(): Promise<void> {
    await this.#child?.end('SIGKILL');
  }

  /** The graceful way. Rejects when it takes too long. */
  async stop(): Promise<void> {
    if (this.#child?.running === true) await this.#child.end('SIGTERM');
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Sends a signal and does not wait. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.signal(signal);
  }

  /** How the process ended: "exit code 0". */
  async ended(): Promise<string> {
    return this.#child?.ended ?? 'not started';
  }

  /** The look for the homeserver is the last step of a start. What knows no such address has no such steps. */
  async #isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/health/ready`);
      const { checks } = (await response.json()) as { checks?: { homeserver: string } };
      return checks === undefined ? response.status < 500 : checks.homeserver !== 'unknown';
    } catch {
      return false;
    }
  }
}

/** Configures a server of its own directory and database, without starting it. */
export async function prepareServer(options: ServerOptions = {}): Promise<ServerProcess> {
  const directory = options.directory ?? temporaryDirectory('server');
  const port = options.port ?? (await freePort());
  const metricsPort = await freePort();
  const registration = join(directory, 'registration.yaml');
  writeFileSync(registration, registrationFor(port), { mode: 0o600 });
  const server = new ServerProcess(port, metricsPort, directory, {
    TMCP_SERVER_PORT: String(port),
    TMCP_SERVER_PUBLIC_URL: `http://127.0.0.1:${port}`,
    TMCP_SERVER_DATA_DIR: join(directory, 'data'),
    TMCP_DATABASE_URL: options.databaseUrl ?? `sqlite:${join(directory, 'data', 'tmcp.db')}`,
    TMCP_HOMESERVER_URL: options.synapse?.url ?? 'http://127.0.0.1:9',
    TMCP_HOMESERVER_DOMAIN: options.synapse?.serverName ?? 'hs.test',
    TMCP_HOMESERVER_REGISTRATION: registration,
    TMCP_METRICS_PORT: String(metricsPort),
    TMCP_LOG_FORMAT: 'json',
    ...generousLimits,
    ...options.env,
  }, options.program, options.command?.(port));
  atEnd(() => server.kill());
  return server;
}
