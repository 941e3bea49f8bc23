import { createHmac, randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import { startChild, tailOf, type Child } from './child-process.ts';
import { atEnd } from './shutdown.ts';
import { writeConfig, writeLastingFiles, type SynapseFiles } from './synapse-config.ts';
import { installSynapse, pythonOf, synapseEnvironment } from './synapse-install.ts';
import { freePort, temporaryDirectory } from './temporary.ts';

/** What mocha should allow a hook that may have to install Synapse first. */
export const SYNAPSE_HOOK_TIMEOUT_MS = 20 * 60_000;

const START_LIMIT_MS = 60_000;
const POLL_MS = 25;

/** Asks the kernel to kill Synapse with its parent (Linux only), then becomes Synapse. */
const LAUNCHER = [
  'import ctypes, runpy, signal',
  'try: ctypes.CDLL(None).prctl(1, signal.SIGKILL)',
  'except (AttributeError, OSError): pass',
  "runpy.run_module('synapse.app.homeserver', run_name='__main__', alter_sys=True)",
].join('\n');

/** How to start a homeserver. */
export interface SynapseOptions {
  registrations: { yaml: string }[];
  serverName?: string;
  /** Where its files go; a temporary directory by default. */
  directory?: string;
  port?: number;
  /** More configuration of Synapse's own. */
  more?: object;
}

/** An account and one of its devices. */
export interface Account {
  userId: string;
  accessToken: string;
  deviceId: string;
}

/** The homeserver answered a request with an error. */
export class SynapseRefusal extends Error {
  readonly status: number;
  readonly errcode: string;

  constructor(path: string, status: number, errcode: string, reason: string) {
    super(`${path} answered ${status} ${errcode}: ${reason}`);
    this.status = status;
    this.errcode = errcode;
  }
}

let availability: Promise<string | undefined> | undefined;

/** Installs Synapse if need be, and says why it cannot be had; undefined when it can. */
export function synapseAvailable(): Promise<string | undefined> {
  availability ??= installSynapse().then(
    () => undefined,
    (failure: Error & { stderr?: string }) => {
      const reason = failure.stderr?.trim() || failure.message;
      return `Synapse cannot be installed: ${reason.replace(/\s*\n\s*/g, '; ')}`;
    },
  );
  return availability;
}

/** Starts a homeserver with a fresh SQLite database and waits until it answers. It is stopped at the end of the run. */
export async function startSynapse(options: SynapseOptions): Promise<Synapse> {
  const unavailable = await synapseAvailable();
  if (unavailable) throw new Error(unavailable);
  const directory = options.directory ? resolve(options.directory) : temporaryDirectory('synapse');
  await mkdir(directory, { recursive: true });
  const files: SynapseFiles = {
    directory,
    serverName: options.serverName ?? 'hs.test',
    port: options.port ?? (await freePort()),
    sharedSecret: randomBytes(16).toString('hex'),
    logFile: join(directory, 'homeserver.log'),
    more: options.more ?? {},
  };
  await writeLastingFiles(files);
  const synapse = new Synapse(files);
  for (const { yaml } of options.registrations) synapse.updateRegistration(yaml);
  atEnd(() => synapse.stop());
  await synapse.restart();
  return synapse;
}

/** A homeserver in a process of its own, which can be stopped, killed and brought back with its data. */
export class Synapse {
  readonly url: string;
  readonly serverName: string;
  readonly directory: string;
  readonly logFile: string;
  readonly #files: SynapseFiles;
  readonly #registrations = new Map<string, string>();
  readonly #startListeners = new Set<() => void>();
  #child: Child | undefined;

  constructor(files: SynapseFiles) {
    this.#files = files;
    this.url = `http://127.0.0.1:${files.port}`;
    this.serverName = files.serverName;
    this.directory = files.directory;
    this.logFile = files.logFile;
  }

  /** Asks it to end in good order and waits. Does nothing when it is not running. */
  async stop(): Promise<void> {
    if (this.#child?.running) await this.#child.end('SIGTERM');
  }

  /** Kills it without warning and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#child?.running) await this.#child.end('SIGKILL');
  }

  /** Stops it if it runs, lets `beforeStart` happen in between, and starts it on the same port and data. */
  async restart(beforeStart?: () => Promise<void>): Promise<void> {
    await this.stop();
    await beforeStart?.();
    const config = await writeConfig(this.#files, this.#registrations);
    const child = startChild({
      command: pythonOf(synapseEnvironment()),
      args: ['-I', '-c', LAUNCHER, '-c', config],
      directory: this.directory,
      logFile: this.logFile,
      lastSignal: 'SIGKILL',
    });
    this.#child = child;
    await this.#waitUntilReady(child);
    for (const listener of this.#startListeners) listener();
  }

  /** Replaces the registration that has the same `id`, or adds one. Takes effect at the next {@link restart}. */
  updateRegistration(yaml: string): void {
    const { id } = parse(yaml) as { id?: unknown };
    if (typeof id !== 'string') throw new Error('A registration needs an id.');
    this.#registrations.set(id, yaml);
  }

  /** Calls back each time the homeserver has come up; returns how to stop that. */
  onStart(listener: () => void): () => void {
    this.#startListeners.add(listener);
    return () => void this.#startListeners.delete(listener);
  }

  /** Creates an account with the shared secret, logged in on a first device. */
  async registerUser(localpart: string, password: string, options: { admin?: boolean } = {}): Promise<Account> {
    const path = '/_synapse/admin/v1/register';
    const { nonce } = (await this.#request('GET', path)) as { nonce: string };
    const admin = options.admin ?? false;
    const signed = [nonce, localpart, password, admin ? 'admin' : 'notadmin'].join('\0');
    const mac = createHmac('sha1', this.#files.sharedSecret).update(signed).digest('hex');
    return accountFrom(await this.#request('POST', path, { nonce, username: localpart, password, admin, mac }));
  }

  /** Logs in with a password, on a new device. */
  async login(localpart: string, password: string): Promise<Account> {
    const identifier = { type: 'm.id.user', user: localpart };
    return accountFrom(await this.#request('POST', '/_matrix/client/v3/login', { type: 'm.login.password', identifier, password }));
  }

  async #request(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(this.url + path, { method, body: body ? JSON.stringify(body) : null });
    const answer: unknown = await response.json();
    if (response.ok) return answer;
    const { errcode, error } = answer as { errcode?: string; error?: string };
    throw new SynapseRefusal(path, response.status, errcode ?? '', error ?? '');
  }

  async #waitUntilReady(child: Child): Promise<void> {
    const deadline = performance.now() + START_LIMIT_MS;
    while (child.running && performance.now() < deadline) {
      if (await answers(`${this.url}/_matrix/client/versions`)) return;
      await delay(POLL_MS);
    }
    const how = child.running ? `did not answer within ${START_LIMIT_MS} ms` : `ended with ${await child.ended}`;
    if (child.running) await child.end('SIGKILL');
    throw new Error(`Synapse ${how}. Its log ends:\n${tailOf(this.logFile)}`);
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function accountFrom(answer: unknown): Account {
  const account = answer as { user_id: string; access_token: string; device_id: string };
  return { userId: account.user_id, accessToken: account.access_token, deviceId: account.device_id };
}
