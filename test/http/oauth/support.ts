import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import express from 'express';
import type { Database } from '../../../src/database/index.ts';
import type { Clock } from '../../../src/kernel/clock.ts';
import { authenticatorsOf } from '../../../src/authenticators.ts';
import { apiRouter, errorHandler, loadContract } from '../../../src/http/index.ts';
import { createJobQueue } from '../../../src/jobs/index.ts';
import { createRoomEvents } from '../../../src/matrix/index.ts';
import { AppError } from '../../../src/kernel/errors.ts';
import { sha256Hex } from '../../../src/kernel/ids.ts';
import type { Log } from '../../../src/kernel/log.ts';
import { createUserProof } from '../../../src/matrix/proof/index.ts';
import { createSignIn } from '../../../src/matrix/sign-in/index.ts';
import { createOAuth, oauthRoutes, type OAuth, type OAuthClient, type LimitOptions, type OAuthDeps, type OAuthOptions } from '../../../src/oauth/index.ts';
import { createMemoryStore } from '../../../src/security/limits/index.ts';
import { createGuardedFetch } from '../../../src/security/guarded-fetch.ts';
import { openKeyRing, type KeyRing } from '../../../src/security/key-ring.ts';
import { freePort, temporaryDirectory } from '../../support/temporary.ts';
import type { OpenDatabase } from './databases.ts';
import { masClient, startIdentityServers, type IdentityServers } from './identity-servers.ts';

export const domain = 'example.org';
export const alice = '@alice:example.org';
export const bob = '@bob:example.org';

export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
export const openIdTokenType = 'urn:tmcp:params:oauth:token-type:matrix-openid';

/** Moves only when told, and starts now: the library beneath has a clock of its own. */
export class TestClock implements Clock {
  #ahead = 0;
  #frozenAt: number | undefined;
  now(): number {
    return (this.#frozenAt ?? Date.now()) + this.#ahead;
  }
  /** Stands still from now on, unless it is moved: for counting what happens in no time. */
  freeze(): void {
    this.#frozenAt = Date.now();
  }
  /** Stands still while `work` runs, unless it is moved: so that what is judged at an end is judged exactly there. */
  async still<T>(work: () => Promise<T>): Promise<T> {
    this.freeze();
    try {
      return await work();
    } finally {
      this.#frozenAt = undefined;
    }
  }
  advance(ms: number): void {
    this.#ahead += ms;
  }
}

/** Keeps every line, so that a test can look for what must not be in it. */
export function recordingLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const write =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push(JSON.stringify({ level, message, ...fields }));
  const log = { lines, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), child: () => log };
  return log;
}

const app = (fields: Partial<OAuthClient> & { clientId: string }): OAuthClient => ({
  miniappId: fields.clientId.replace(/_backend$/, ''),
  kind: 'public',
  secretHashes: [],
  redirectUris: ['https://app.example/cb'],
  registeredScopes: ['user:read', 'storage:read', 'storage:write', 'wallet:pay'],
  classification: 'verified',
  name: 'A mini-app',
  active: true,
  owners: [],
  adminRegistered: false,
  ...fields,
});

export const secrets = { shop: 'shop-secret-0123456789', shopOld: 'shop-old-secret-0123456', server: 'server-secret-01234567', bank: 'bank-secret-0123456789' };

/** The registry of the tests: public, official, hybrid (a frontend and a backend), confidential, unapproved, suspended. */
export const registry = (): Map<string, OAuthClient> => {
  const clients = [
    app({ clientId: 'ma_game' }),
    app({ clientId: 'ma_other' }),
    app({ clientId: 'ma_official', classification: 'official', registeredScopes: ['user:read', 'storage:read', 'wallet:admin'] }),
    app({ clientId: 'ma_bank', classification: 'official', adminRegistered: true, registeredScopes: ['user:read', 'storage:read', 'wallet:admin', 'system:notifications'] }),
    app({ clientId: 'ma_bank_backend', kind: 'confidential', classification: 'official', adminRegistered: true, secretHashes: [sha256Hex(secrets.bank)], registeredScopes: ['user:read', 'storage:read', 'wallet:admin', 'system:notifications'] }),
    app({ clientId: 'ma_shop', name: 'Shop' }),
    app({ clientId: 'ma_shop_backend', kind: 'confidential', secretHashes: [sha256Hex(secrets.shopOld), sha256Hex(secrets.shop)] }),
    app({ clientId: 'ma_server', kind: 'confidential', secretHashes: [sha256Hex(secrets.server)] }),
    app({ clientId: 'ma_draft', active: false, owners: [alice] }),
    app({ clientId: 'ma_suspended', active: false }),
  ];
  return new Map(clients.map((client) => [client.clientId, client]));
};

export interface Instance {
  readonly url: string;
  readonly oauth: OAuth;
  readonly database: Database;
  close(): Promise<void>;
}

export interface World {
  readonly clock: TestClock;
  readonly log: ReturnType<typeof recordingLog>;
  readonly clients: Map<string, OAuthClient>;
  readonly identity: IdentityServers;
  readonly keyRing: KeyRing;
  /** Address of the first instance. */
  readonly issuer: string;
  readonly options: OAuthOptions;
  readonly first: Instance;
  /** Another process over the same database and key ring. */
  startInstance(overrides?: Partial<OAuthDeps>): Promise<Instance>;
  /**
   * For doing things at the same moment: another instance on PostgreSQL, the first one on SQLite, where a second connection of
   * the same process would wait for a lock without letting its holder go on.
   */
  startRival(): Promise<Instance>;
  close(): Promise<void>;
}

async function listen(oauth: OAuth, port: number, log: Log, clock: Clock): Promise<Server> {
  const web = express();
  web.use(oauth.middleware);
  web.get('/api/v1/me', async (req, res) => {
    try {
      const principal = await oauth.verifyAccessToken((req.headers.authorization ?? '').replace('Bearer ', ''));
      res.json({ ...principal, scopes: [...principal.scopes] });
    } catch (error) {
      res.status(error instanceof AppError ? error.status : 500).json({ code: error instanceof AppError ? error.code : String(error) });
    }
  });
  web.get('/api/v1/backend', async (req, res) => {
    try {
      const bearer = await oauth.verifyBearer((req.headers.authorization ?? '').replace('Bearer ', ''));
      res.status(bearer.kind === 'client' ? 200 : 401).json({ ...bearer.principal, scopes: [...bearer.principal.scopes] });
    } catch (error) {
      res.status(error instanceof AppError ? error.status : 500).json({ code: error instanceof AppError ? error.code : String(error) });
    }
  });
  const contract = loadContract(new URL('../../../schema/openapi.yaml', import.meta.url));
  const routes = oauthRoutes(oauth);
  const noAdmins = { authenticate: () => Promise.reject(new AppError('INVALID_TOKEN', 'no administrators here')) };
  const nobody = (): Promise<never> => Promise.reject(new AppError('INVALID_TOKEN', 'no developers here'));
  const noDevelopers = { tokens: { verify: nobody }, console: { authenticate: nobody } };
  web.use(apiRouter({ contract: { ...contract, operations: contract.operations.filter(({ id }) => Object.hasOwn(routes, id)) }, routes, authenticators: authenticatorsOf(oauth, noAdmins, noDevelopers), bodyLimitBytes: 65_536, checkResponses: true, onPrivileged: () => Promise.resolve() }));
  web.use(errorHandler(log, clock));
  const server = web.listen(port, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return server;
}

export const hour = 3_600_000;

/** The same number for everything, in a minute. */
export const limits = (attempts: number): LimitOptions => {
  const window = { attempts, seconds: 60 };
  return { enabled: true, failures: window, secrets: window, signIns: window, passwords: window, userCodes: window, consents: window };
};

export async function createWorld(open: OpenDatabase, options: { mas?: boolean; hostClients?: string[]; deps?: Partial<OAuthDeps>; homeserver?: { url: string; domain: string }; limits?: LimitOptions } = {}): Promise<World> {
  const folder = temporaryDirectory('ring');
  const clock = new TestClock();
  const log = recordingLog();
  const clients = registry();
  const identity = await startIdentityServers();
  const keyRing = await openKeyRing({ path: join(folder, 'keys.json'), clock });
  const directory = { findClient: (clientId: string) => Promise.resolve(clients.get(clientId)) };
  const guardedFetch = createGuardedFetch({ development: false, timeoutMs: 2_000, maxBytes: 65_536 });
  const proof = createUserProof({
    homeserver: { url: identity.url, domain, ...options.homeserver, acceptedServers: ['accepted.example'] },
    mas: options.mas === true ? { issuer: identity.url, ...masClient, hostClients: options.hostClients ?? [] } : undefined,
    clock,
    guardedFetch,
    // Where a hostile server name may lead: to this machine.
    hostResolver: { resolve: () => Promise.resolve({ host: '127.0.0.1', port: Number(new URL(identity.url).port), hostHeader: 'accepted.example' }) },
    isMiniAppClient: (clientId) => Promise.resolve(clients.has(clientId)),
  });
  const signIn = createSignIn({
    homeserver: { url: identity.url, publicUrl: identity.url, domain, ...options.homeserver },
    mas: options.mas === true ? { issuer: identity.url, ...masClient } : undefined,
    clock,
    log,
  });
  const closers: (() => Promise<void>)[] = [];
  const attempts = createMemoryStore(clock);
  const limitStore: OAuthDeps['limitStore'] = async (name, window, key, peek) => {
    const { allowed, resetMs } = await attempts.take(name, { algorithm: 'sliding_window', limit: window.attempts, windowMs: window.seconds * 1000, burst: 0 }, key, peek);
    return { allowed, waitMs: resetMs };
  };

  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const testOptions: OAuthOptions = { issuer, accessTokenMs: 24 * hour, firstPartyTokenMs: hour, clientTokenMs: hour, privilegedTokenMs: hour, refreshTokenMs: 30 * 24 * hour, refreshGraceMs: 10_000, consentMs: hour / 6, authorizationCodeMs: 60_000, deviceCodeMs: 900_000, browserSessionMs: 14 * 24 * hour, homeserverName: domain, limits: options.limits ?? limits(1_000) };
  const startInstance = async (overrides: Partial<OAuthDeps> = {}): Promise<Instance> => {
    const database = await open();
    const oauth = createOAuth({
      database,
      clock,
      log,
      keyRing,
      clients: directory,
      proof,
      signIn,
      events: createRoomEvents(createJobQueue(clock)),
      options: testOptions,
      limitStore,
      ...options.deps,
      ...overrides,
    });
    await oauth.prepare();
    const server = await listen(oauth, closers.length === 0 ? port : 0, log, clock);
    const close = async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await database.close();
    };
    closers.push(close);
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, oauth, database, close };
  };

  identity.whoami.set('syt_alice', { user_id: alice, device_id: 'ALICEDEVICE', is_guest: false });
  identity.whoami.set('syt_alice_2', { user_id: alice, device_id: 'OTHERDEVICE', is_guest: false });
  identity.whoami.set('syt_bob', { user_id: bob, device_id: 'BOBDEVICE', is_guest: false });
  const first = await startInstance();
  return {
    clock,
    log,
    clients,
    identity,
    keyRing,
    issuer,
    options: testOptions,
    first,
    startInstance,
    startRival: () => (first.database.dialect === 'postgres' ? startInstance() : Promise.resolve(first)),
    async close() {
      for (const close of closers) await close();
      await proof.close();
      await signIn.close();
      await guardedFetch.close();
      await identity.close();
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export async function call(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

export const basic = (clientId: string, secret: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}` });
export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

export const postForm = (url: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> =>
  call(url, { method: 'POST', headers, body: new URLSearchParams(fields) });

/** A token exchange with a Matrix access token. */
export const exchange = (instance: Instance, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> =>
  postForm(`${instance.url}/oauth2/token`, { grant_type: tokenExchange, subject_token_type: accessTokenType, ...fields }, headers);

/** Calls the protected test endpoint: what `verifyAccessToken` says. */
export const me = (instance: Instance, token: unknown): Promise<Answer> => call(`${instance.url}/api/v1/me`, { headers: bearer(String(token)) });
