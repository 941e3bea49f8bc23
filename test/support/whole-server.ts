import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildApp, type App, type AppDependencies } from '../../src/app.ts';
import { loadConfig, loadRegistration } from '../../src/config/index.ts';
import { openDatabase, migrate, type Database } from '../../src/database/index.ts';
import { createListener } from '../../src/http/index.ts';
import { BridgeHomeserver } from '../../src/matrix/index.ts';
import { openKeyRing } from '../../src/security/key-ring.ts';
import { startIdentityServers, type IdentityServers } from '../http/oauth/identity-servers.ts';
import { recordingLog, TestClock } from '../http/oauth/support.ts';
import type { TestDatabase } from './databases.ts';
import { generousLimits } from './limits.ts';
import { AS_TOKEN, HS_TOKEN, registrationFor } from './server-process.ts';
import { freePort, temporaryDirectory } from './temporary.ts';

export const DOMAIN = 'example.org';

/** The whole server in this process, over HTTP, with answers checked against the OpenAPI document. No worker runs: jobs stay where tests can look at them. */
export interface WholeServer {
  readonly url: string;
  readonly app: App;
  readonly database: Database;
  readonly clock: TestClock;
  readonly log: ReturnType<typeof recordingLog>;
  /** Who the homeserver of this test takes which Matrix access token for. */
  readonly identity: IdentityServers;
  readonly adminToken: string;
  /** For another server over the same database and key ring: pass it to `startWholeServer`. */
  readonly shared: SharedState;
  readonly keyRingPath: string;
  close(): Promise<void>;
}

export interface SharedState {
  readonly databaseUrl: string;
  readonly keyRingPath: string;
  readonly clock: TestClock;
}

const dayMs = 24 * 60 * 60_000;

export async function startWholeServer(databases: TestDatabase, env: Readonly<Record<string, string>> = {}, parts: Partial<Pick<AppDependencies, 'proofs' | 'provider' | 'log' | 'tracer'>> = {}, beside?: SharedState): Promise<WholeServer> {
  const directory = temporaryDirectory('whole');
  const port = await freePort();
  const identity = await startIdentityServers();
  writeFileSync(join(directory, 'registration.yaml'), registrationFor(port), { mode: 0o600 });
  const databaseUrl = beside?.databaseUrl ?? (await databases.createUrl());
  const keyRingPath = beside?.keyRingPath ?? join(directory, 'key-ring.json');
  const config = loadConfig({
    cwd: directory,
    env: {
      TMCP_SERVER_PORT: String(port),
      TMCP_SERVER_PUBLIC_URL: `http://127.0.0.1:${port}`,
      TMCP_SERVER_ROLES: 'api,appservice',
      TMCP_DATABASE_URL: databaseUrl,
      TMCP_HOMESERVER_URL: identity.url,
      TMCP_HOMESERVER_DOMAIN: DOMAIN,
      TMCP_HOMESERVER_REGISTRATION: join(directory, 'registration.yaml'),
      ...generousLimits,
      ...env,
    },
  });
  const clock = beside?.clock ?? new TestClock();
  const log = recordingLog();
  const database = openDatabase({ url: databaseUrl, poolSize: 10, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
  await migrate(database);
  const homeserver = new BridgeHomeserver({
    homeserverUrl: config.homeserver.url,
    domain: DOMAIN,
    registration: { id: 'tmcp', url: `http://127.0.0.1:${port}`, as_token: AS_TOKEN, hs_token: HS_TOKEN, sender_localpart: '_tmcp' },
    requestTimeoutMs: 5000,
  });
  const keyRing = await openKeyRing({ path: keyRingPath, clock });
  const app = buildApp({ config, registration: loadRegistration(config.homeserver.registration), database, clock, log, keyRing, homeserver, version: 'test', checkResponses: true, ...parts });
  const listener = { headersTimeoutMs: config.server.headers_timeout_seconds * 1000, requestTimeoutMs: config.server.request_timeout_seconds * 1000, maxHeaderBytes: config.server.max_header_bytes, maxConnections: config.server.max_connections, clock };
  const server = createListener(app.http, listener).listen(port, '127.0.0.1');
  await once(server, 'listening');
  await app.start();
  const { token } = await app.admins.issue('root', dayMs, { kind: 'system', id: 'test' });
  return {
    url: `http://127.0.0.1:${port}`,
    app,
    database,
    clock,
    log,
    identity,
    adminToken: token,
    keyRingPath,
    shared: { databaseUrl, keyRingPath, clock },
    async close() {
      server.closeAllConnections();
      server.close();
      await app.stop();
      await homeserver.close();
      await identity.close();
      await database.close();
    },
  };
}

/** Bodies of the jobs of one kind that are queued, in the order in which they were. */
export async function queued<Body>(database: Database, kind: string): Promise<Body[]> {
  const rows = await database.sql<{ kind: string; state: string; body: string }>('job').where({ kind, state: 'queued' }).orderBy(['created_at', 'stream', 'pos']);
  return rows.map(({ body }) => JSON.parse(body) as Body);
}
