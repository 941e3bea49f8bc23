import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildApp, type App, type AppDependencies } from '../../src/app.ts';
import { loadConfig, loadRegistration, type Config } from '../../src/config/index.ts';
import { openDatabase, migrate, type Database } from '../../src/database/index.ts';
import { mfaOptionsOf } from '../../src/factors.ts';
import { createListener } from '../../src/http/index.ts';
import { exponentOf, type Money } from '../../src/kernel/money.ts';
import { levelsOf } from '../../src/wallet/index.ts';
import { startWalletService, walletApiKey, type WalletService } from './wallet-service.ts';
import { BridgeHomeserver } from '../../src/matrix/index.ts';
import { openKeyRing } from '../../src/security/key-ring.ts';
import { startIdentityServers, type IdentityServers } from '../http/oauth/identity-servers.ts';
import { recordingLog, TestClock } from '../http/oauth/support.ts';
import { onWalletService, type TestDatabase } from './databases.ts';
import { generousLimits } from './limits.ts';
import { AS_TOKEN, HS_TOKEN, registrationFor } from './server-process.ts';
import { freePort, temporaryDirectory } from './temporary.ts';

export const DOMAIN = 'example.org';

/** The whole server in this process, over HTTP, with answers checked against the OpenAPI document. No worker runs: jobs stay where tests can look at them. */
export interface WholeServer {
  readonly url: string;
  readonly app: App;
  readonly database: Database;
  /** Whose ledger has the money: the wallet service's, where there is one. */
  readonly bank: Database;
  readonly walletService: WalletService | undefined;
  readonly clock: TestClock;
  readonly log: ReturnType<typeof recordingLog>;
  /** Who the homeserver of this test takes which Matrix access token for. */
  readonly identity: IdentityServers;
  readonly adminToken: string;
  /** For another server over the same database and key ring: pass it to `startWholeServer`. */
  readonly shared: SharedState;
  readonly keyRingPath: string;
  /** `keepWalletService`: for another server, which uses it on. */
  close(options?: { readonly keepWalletService?: boolean }): Promise<void>;
}

export interface SharedState {
  readonly databaseUrl: string;
  readonly keyRingPath: string;
  readonly clock: TestClock;
  readonly walletService: WalletService | undefined;
}

const dayMs = 24 * 60 * 60_000;

/** A wallet service with the policy that the configuration has for the embedded ledger. Its own database is always SQLite: on both it has suites of its own. */
async function serviceFor(config: Config, clock: TestClock, port: number, requireProofs: boolean): Promise<WalletService> {
  const { wallet, transfers, mfa } = config;
  const { recipient_acceptance: acceptance, acceptance_above: above } = transfers;
  const needsAcceptance = ({ amountMinor, currency }: Money): boolean => acceptance === 'always' || (acceptance === 'above' && amountMinor > above * 10 ** exponentOf(currency));
  return startWalletService({ databaseUrl: await onWalletService.createUrl(), clock, port, levels: levelsOf(wallet), needsAcceptance, requireProofs, factors: mfaOptionsOf(config), loweredShare: mfa.lowered_limits_percent / 100 });
}

export async function startWholeServer(databases: TestDatabase, env: Readonly<Record<string, string>> = {}, parts: Partial<Pick<AppDependencies, 'proofs' | 'provider' | 'log' | 'tracer'>> = {}, beside?: SharedState): Promise<WholeServer> {
  const directory = temporaryDirectory('whole');
  const port = await freePort();
  const identity = await startIdentityServers();
  writeFileSync(join(directory, 'registration.yaml'), registrationFor(port), { mode: 0o600 });
  const databaseUrl = beside?.databaseUrl ?? (await databases.createUrl());
  const keyRingPath = beside?.keyRingPath ?? join(directory, 'key-ring.json');
  const walletPort = databases.wallet === 'remote' ? await freePort() : undefined;
  const walletUrl = beside?.walletService?.url ?? (walletPort === undefined ? undefined : `http://127.0.0.1:${walletPort}`);
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
      ...(walletUrl === undefined ? {} : { TMCP_WALLET_ADAPTER: 'remote', TMCP_WALLET_REMOTE_URL: walletUrl, TMCP_WALLET_REMOTE_API_KEY: walletApiKey }),
      ...generousLimits,
      ...env,
    },
  });
  const clock = beside?.clock ?? new TestClock();
  const ownService = walletPort === undefined || beside !== undefined ? undefined : await serviceFor(config, clock, walletPort, parts.proofs === undefined);
  const walletService = beside?.walletService ?? ownService;
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
  await app.prepare();
  const server = createListener(app.http, listener).listen(port, '127.0.0.1');
  await once(server, 'listening');
  await app.start();
  const { token } = await app.admins.issue('root', dayMs, { kind: 'system', id: 'test' });
  return {
    url: `http://127.0.0.1:${port}`,
    app,
    database,
    bank: walletService?.database ?? database,
    walletService,
    clock,
    log,
    identity,
    adminToken: token,
    keyRingPath,
    shared: { databaseUrl, keyRingPath, clock, walletService },
    async close({ keepWalletService = false } = {}) {
      server.closeAllConnections();
      server.close();
      await app.stop();
      await homeserver.close();
      await identity.close();
      await database.close();
      if (!keepWalletService) await ownService?.close();
    },
  };
}

/** What the worker does with instructions to the wallet service that no request waited for; nothing with the embedded ledger. */
export async function runInstructions({ app, database, walletService }: WholeServer): Promise<void> {
  if (walletService === undefined) return;
  for (const body of await queued<{ instructionId: string }>(database, 'wallet.instruction')) {
    const recording = await app.jobs['wallet.instruction']!.run({ id: 'job', stream: 's', kind: 'wallet.instruction', body, attempt: 1, createdAt: 0, unsettledSince: undefined });
    if (recording !== undefined) await database.inTransaction(recording);
  }
}

/** Bodies of the jobs of one kind that are queued, in the order in which they were. */
export async function queued<Body>(database: Database, kind: string): Promise<Body[]> {
  const rows = await database.sql<{ kind: string; state: string; body: string }>('job').where({ kind, state: 'queued' }).orderBy(['created_at', 'stream', 'pos']);
  return rows.map(({ body }) => JSON.parse(body) as Body);
}
