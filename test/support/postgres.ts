import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { startChild, tailOf, type Child } from './child-process.ts';
import { findPostgres, type PostgresPrograms } from './postgres-install.ts';
import { atEnd } from './shutdown.ts';
import { freePort, temporaryDirectory } from './temporary.ts';

const run = promisify(execFile);
const START_LIMIT_MS = 30_000;
const POLL_MS = 25;

/** Something that hands out fresh databases. */
export interface DatabaseServer {
  /** Creates an empty database and returns its `postgres://…` URL. */
  createDatabase(): Promise<string>;
}

/** How to start a private cluster. */
export interface PostgresOptions {
  /** False makes it faster; it then survives being killed, but not the machine being switched off. True by default. */
  fsync?: boolean;
}

/**
 * Says why no PostgreSQL can be had; undefined when it can. Suites that kill the server need a `private` one; `any` also
 * accepts the server of `TMCP_TEST_POSTGRES_URL`.
 */
export async function postgresAvailable(kind: 'any' | 'private' = 'any'): Promise<string | undefined> {
  if (kind === 'any' && process.env.TMCP_TEST_POSTGRES_URL) return undefined;
  const found = findPostgres();
  return typeof found === 'string' ? found : undefined;
}

let shared: Promise<DatabaseServer> | undefined;

/** The server that suites of this process share: that of `TMCP_TEST_POSTGRES_URL`, or a private cluster. */
export function sharedPostgres(): Promise<DatabaseServer> {
  const url = process.env.TMCP_TEST_POSTGRES_URL;
  shared ??= url ? Promise.resolve(existingServer(url)) : startPostgres();
  return shared;
}

/** Starts a private, throw-away cluster and waits until it accepts connections. It is stopped at the end of the run. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const programs = findPostgres();
  if (typeof programs === 'string') throw new Error(programs);
  const directory = temporaryDirectory('postgres');
  if (programs.user) chownSync(directory, programs.user.uid, programs.user.gid);
  const flags = ['--auth=trust', '--username=postgres', '--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions'];
  await run(join(programs.directory, 'initdb'), [...flags, '-D', join(directory, 'data')], { cwd: directory, ...programs.user });
  const postgres = new Postgres(programs, directory, await freePort(), options.fsync ?? true);
  // Nobody needs the data any more: a checkpoint of hundreds of databases can take a busy machine half a minute.
  atEnd(() => postgres.kill());
  await postgres.restart();
  return postgres;
}

/** A private PostgreSQL cluster, which can be killed and brought back with its data. */
export class Postgres implements DatabaseServer {
  readonly port: number;
  readonly directory: string;
  readonly logFile: string;
  readonly #programs: PostgresPrograms;
  readonly #fsync: boolean;
  #child: Child | undefined;

  constructor(programs: PostgresPrograms, directory: string, port: number, fsync: boolean) {
    this.#programs = programs;
    this.directory = directory;
    this.port = port;
    this.#fsync = fsync;
    this.logFile = join(directory, 'postgres.log');
  }

  /** Creates an empty database and returns its URL. */
  async createDatabase(): Promise<string> {
    return createDatabaseOn(this.#urlOf('postgres'));
  }

  /** Ends it as a crash would: no checkpoint, connections cut, recovery at the next start. */
  async kill(): Promise<void> {
    if (this.#child?.running) await this.#child.end('SIGQUIT');
  }

  /** Ends it in good order, without waiting for its clients. Does nothing when it is not running. */
  async stop(): Promise<void> {
    if (this.#child?.running) await this.#child.end('SIGINT');
  }

  /** Stops it if it runs, and starts it on the same port and data. */
  async restart(): Promise<void> {
    await this.stop();
    const command = [join(this.#programs.directory, 'postgres'), ...this.#flags()];
    if (this.#programs.tiesToParent) command.unshift('setpriv', '--pdeathsig', 'QUIT');
    const child = startChild({
      command: command[0] ?? '',
      args: command.slice(1),
      directory: this.directory,
      logFile: this.logFile,
      lastSignal: 'SIGQUIT',
      user: this.#programs.user,
    });
    this.#child = child;
    await this.#waitUntilReady(child);
  }

  #flags(): string[] {
    const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${this.directory}`, 'max_connections=200'];
    if (!this.#fsync) settings.push('fsync=off', 'full_page_writes=off');
    return ['-D', join(this.directory, 'data'), '-p', String(this.port), ...settings.flatMap((setting) => ['-c', setting])];
  }

  async #waitUntilReady(child: Child): Promise<void> {
    const deadline = performance.now() + START_LIMIT_MS;
    let refusal: unknown;
    while (child.running && performance.now() < deadline) {
      try {
        await query(this.#urlOf('postgres'), 'SELECT 1');
        return;
      } catch (error) {
        refusal = error;
        await delay(POLL_MS);
      }
    }
    const how = child.running ? `did not answer within ${START_LIMIT_MS} ms (${String(refusal)})` : `ended with ${await child.ended}`;
    await this.kill();
    throw new Error(`PostgreSQL ${how}. Its log ends:\n${tailOf(this.logFile)}`);
  }

  #urlOf(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }
}

/** A server that is not ours: the databases made there are dropped at the end of the run. */
function existingServer(url: string): DatabaseServer {
  return {
    createDatabase: async () => {
      const created = await createDatabaseOn(url);
      atEnd(() => query(url, `DROP DATABASE IF EXISTS ${new URL(created).pathname.slice(1)} WITH (FORCE)`));
      return created;
    },
  };
}

async function createDatabaseOn(serverUrl: string): Promise<string> {
  const name = `tmcp_test_${randomBytes(6).toString('hex')}`;
  await query(serverUrl, `CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function query(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  // A server that goes away meanwhile also fails the pending query; this only keeps the event from ending the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end();
  }
}
