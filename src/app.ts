import { setTimeout as delay } from 'node:timers/promises';
import type { Express } from 'express';
import { administrationRoutes } from './administration.ts';
import { analyticsRoutes, createAnalytics } from './analytics/index.ts';
import { developerActor, privilegedUse, registryActor } from './audit-records.ts';
import { buildOAuth } from './authorization-server.ts';
import { capabilityRoutes } from './capabilities/index.ts';
import type { Mirror } from './catalog/index.ts';
import type { Config, Registration } from './config/index.ts';
import { createWakes, type Database, type SharedWakes, type Transaction } from './database/index.ts';
import { createDeveloperSignIn, createOrganizations, createOwnership, createWhitelist, developerRoutes, developerTokenRoutes, purgeExpiredDeveloperTokens, type Console, type DeveloperTokens, type Organizations, type Whitelist } from './developers/index.ts';
import { createGateway, loadContract, loadEventSchemas, type ApiOptions, type Authenticators, type Contract, type Principal, type Routes } from './http/index.ts';
import { createJobQueue, dropAllLeases, purgeFinished, Worker, type JobKind } from './jobs/index.ts';
import type { Clock } from './kernel/clock.ts';
import type { LoopReport } from './kernel/loop-health.ts';
import { asUserId, type MiniAppId } from './kernel/ids.ts';
import type { Log } from './kernel/log.ts';
import { plainTracer, type Tracer } from './kernel/trace.ts';
import { buildDistribution, type Distribution } from './distribution.ts';
import { buildNotices, buildStorage } from './live.ts';
import { appserviceRouter, connectMatrix, createRoomEvents, createSharedRooms, createUserFacts, ownNames, OwnRooms, RoomFacts, type Homeserver, type MatrixConnection } from './matrix/index.ts';
import type { RoomCommand } from './matrix/port.ts';
import { buildMfa, limitShareOf, proofsOf } from './factors.ts';
import { mfaRoutes, type Mfa } from './mfa/index.ts';
import { buildConsole, buildDeveloperTokens, buildProof, buildProxying } from './identity.ts';
import { authenticatorsOf } from './authenticators.ts';
import { buildLimits, type BuiltLimits } from './limits.ts';
import { buildMoney, type MoneyDependencies } from './money.ts';
import { adoptPreinstalled, botRoutes, createMiniAppBots, createMiniApps, miniappRoutes, type MiniAppAudit, type MiniAppBots, type MiniApps, type Owner, type Ownership } from './miniapps/index.ts';
import { noticeRoutes, type Notices } from './notices/index.ts';
import { isReservedAudience, oauthRoutes, purgeExpired, scopeDefinitions, type OAuth } from './oauth/index.ts';
import { createMaintenance, createMetrics, maintenanceKind, operationsRoutes, referenceRoutes, type Metrics } from './operations/index.ts';
import { createAdminTokens, type AdminTokens } from './security/admin-tokens.ts';
import { createGuardedFetch } from './security/guarded-fetch.ts';
import { createAudit, sealingKind } from './security/audit/index.ts';
import type { KeyRing } from './security/key-ring.ts';
import { resealKind, storageRoutes, type Storage } from './storage/index.ts';
import { buildAdministration, buildCatalog, buildMirror, offerOf } from './store.ts';
import type { TermsProof } from './wallet/index.ts';
import { callWalletService, type WalletServiceCalls } from './wallet-adapter.ts';
import { createWebhooks, deliveryKind, webhookRoutes, type Webhooks } from './webhooks/index.ts';

export interface AppDependencies {
  readonly config: Config;
  readonly registration: Registration;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly keyRing: KeyRing;
  readonly homeserver: Homeserver;
  readonly version: string;
  /** The user's factors, which confirm money; nobody has one when absent. */
  readonly proofs?: TermsProof;
  /** Who moves money between wallets and accounts outside; as configured when absent. */
  readonly provider?: MoneyDependencies['provider'];
  /** Traces are passed on without one, and kept nowhere. */
  readonly tracer?: Tracer;
  /** Tests set this: an answer that the OpenAPI document does not allow becomes an error. */
  readonly checkResponses?: boolean;
}

/** The server without its listener: shared by `main` and the tests. */
export interface App {
  readonly http: Express;
  readonly metrics: Metrics;
  readonly worker: Worker;
  /** What the worker does, by kind. */
  readonly jobs: Readonly<Record<string, JobKind>>;
  /** For account erasure: `storage.erase`. */
  readonly storage: Storage;
  readonly notices: Notices;
  /** For administrators on the command line. */
  readonly whitelist: Whitelist;
  readonly admins: AdminTokens;
  /** Makes what every answer relies on: keys, official mini-apps, limits. Before anything listens. */
  prepare(): Promise<void>;
  /** Starts the background work, once the homeserver can reach us. Never waits for the homeserver. */
  start(): Promise<void>;
  /** Lets go of requests that wait for something to happen, so that the listener can be closed. */
  release(): void;
  /** Ends it again: running jobs finish and are recorded first. */
  stop(): Promise<void>;
  /** One word on the connection to the homeserver. */
  homeserverState(): string;
}

const schemaFolder = new URL('../schema/', import.meta.url);

/** How many finished jobs one tidying up deletes at most. */
const purgeBatch = 5000;
/** How long the start waits to be able to say whether the homeserver is there. */
const firstLookMs = 1000;
const dayMs = 24 * 60 * 60_000;
const isPrivilegedScope = (scope: string): boolean => scopeDefinitions[scope]?.sensitivity === 'privileged';

function buildMatrix(deps: AppDependencies) {
  const { config, registration, database, clock, homeserver, keyRing } = deps;
  const queue = createJobQueue(clock);
  const events = createRoomEvents(queue);
  const names = ownNames(config.homeserver.domain, registration.senderLocalpart, config.catalog.room_alias_localpart);
  const aliasHash = (userId: string): string => Buffer.from(keyRing.mac('notice-room-alias', userId), 'base64url').toString('hex').slice(0, 32);
  const facts = new RoomFacts({ clock, homeserver });
  const rooms = new OwnRooms({ database, clock, homeserver, names, facts, aliasHash });
  const audit = createAudit({ ...deps, queue, retentionMs: config.audit.retention_days * dayMs });
  return { queue, events, names, rooms, facts, userFacts: createUserFacts({ clock, homeserver }), sharedRooms: createSharedRooms({ database, facts }), audit, wakes: createWakes(database, clock, deps.log) };
}

type Matrix = ReturnType<typeof buildMatrix>;

function buildMiniApps(deps: AppDependencies, { queue, events, names, audit, wakes }: Matrix, mirror: Mirror, ownership: Ownership, endSessions: (tx: Transaction, miniappId: MiniAppId) => Promise<unknown>, webhooks: () => Webhooks) {
  const { database, clock, keyRing } = deps;
  const auditApp = (tx: Transaction, { action, by, miniappId, details }: MiniAppAudit): Promise<void> => audit.record(tx, { actor: registryActor(by), action, target: { kind: 'miniapp', id: miniappId }, details });
  const distribution = buildDistribution({ ...deps, queue, events, mirror, miniappUser: (id) => names.miniappUser(id), ownership, auditApp, isPrivilegedScope, isAskedFor: (scope) => scopeDefinitions[scope]?.preApproved !== true, miniapps: () => miniapps, webhooks });
  const miniapps = createMiniApps({
    ...distribution,
    database,
    clock,
    wakes,
    events,
    seal: (plaintext, belongsTo) => keyRing.seal('webhook-secret', plaintext, belongsTo),
    miniappUser: (miniappId) => names.miniappUser(miniappId),
    ownership,
    endSessions,
    keepSigningWith: (tx, miniappId, sealed, overlapMs) => webhooks().keepSigningWith(tx, miniappId, sealed, overlapMs),
    audit: auditApp,
    mirror,
  });
  return { miniapps, distribution };
}

/** What mini-apps' servers are told. */
function buildWebhooks(deps: AppDependencies, { queue, events }: Matrix, miniapps: MiniApps, ownership: Ownership) {
  const { config, database, clock, keyRing } = deps;
  const { timeout_seconds, give_up_after_hours, retention_days, concurrency_per_app } = config.webhooks;
  const guardedFetch = createGuardedFetch({ development: config.security.development, timeoutMs: timeout_seconds * 1000, maxBytes: 256 * 1024 });
  const webhooks = createWebhooks({
    database,
    clock,
    queue,
    guardedFetch,
    findEndpoint: (miniappId, tx, url) => miniapps.webhookOf(miniappId, tx, url),
    unseal: (sealed, miniappId) => keyRing.open('webhook-secret', sealed, miniappId),
    async tellDevelopers(tx, miniappId, problem) {
      const app = await miniapps.find(miniappId, tx);
      const developers = app?.owner === undefined ? [] : await ownership.usersOf(tx, app.owner);
      for (const userId of developers) events.emit(tx, { place: { noticesOf: asUserId(userId) }, speaker: 'bot', type: 'm.room.message', content: { msgtype: 'm.notice', body: `${app?.name ?? miniappId}: ${problem}` } });
    },
    options: { timeoutMs: timeout_seconds * 1000, maxAgeMs: give_up_after_hours * 3_600_000, retentionMs: retention_days * dayMs, perEndpoint: concurrency_per_app },
  });
  return { webhooks, close: () => guardedFetch.close() };
}

/** Administrators may; developers by their role, as it is now (decision D23). */
const requireAppOf = (miniapps: MiniApps) => async (principal: Principal, miniappId: string, right: 'read' | 'manage'): Promise<MiniAppId> => {
  if (principal.kind !== 'developer') return (await miniapps.get(miniappId)).miniappId;
  return (await (right === 'manage' ? miniapps.getManaged(principal.userId, miniappId) : miniapps.getFor(principal.userId, miniappId))).miniappId;
};

/** Developers and their organisations, as far as they need no tokens; whoever ceases to own an unpublished app loses its tokens. */
function buildDevelopers(deps: AppDependencies, { audit }: Matrix, endAccess: (tx: Transaction, userId: string, owner: Owner) => Promise<void>) {
  const { config } = deps;
  const organizations = createOrganizations({
    ...deps,
    invitationMs: config.developers.invitation_seconds * 1000, onAccessLost: (tx, userId, orgId) => endAccess(tx, userId, { orgId }),
    onRoleChanged: (tx, { actor, subject, orgId, from, to, cause }) => audit.record(tx, { actor: { kind: 'developer', id: actor }, action: 'organization.role_changed', target: { kind: 'user', id: subject }, details: { org_id: orgId, from, to, cause } }),
  });
  const whitelist = createWhitelist({
    ...deps,
    audit: (tx, { action, by, userId, details }) => audit.record(tx, { actor: developerActor(by), action, target: { kind: 'user', id: userId }, details }),
    async onRemoved(tx, userId) {
      await endAccess(tx, userId, { userId: asUserId(userId) });
      for (const { orgId } of await organizations.membershipsOf(tx, asUserId(userId))) await endAccess(tx, userId, { orgId });
    },
  });
  return { organizations, whitelist };
}

function connect(deps: AppDependencies, matrix: Matrix, { miniapps, distribution }: Pick<Features, 'miniapps' | 'distribution'>, commands: readonly RoomCommand[], metrics: () => Metrics) {
  const { config, registration } = deps;
  const connection: MatrixConnection = connectMatrix({
    ...deps,
    ...matrix,
    commands,
    messages: buildAdministration({ ...deps, audit: matrix.audit, moveIn: distribution.moveIn, homeserverState: () => connection.monitor.state().state }),
    checkContent: loadEventSchemas(new URL('events/', schemaFolder)),
    fillCatalogue: (tx) => miniapps.fillCatalogue(tx),
    miniappName: async (miniappId) => {
      const app = await miniapps.find(miniappId);
      return app === undefined || app.publishedAt === undefined ? undefined : app.name;
    },
    onReceived: (counts) => metrics().countReceived(counts),
    options: {
      appserviceId: registration.id,
      followInvites: config.appservice.auto_join_local_invites,
      answersPerMinute: config.appservice.answers_per_minute,
      maxContentBytes: config.appservice.max_event_content_bytes,
      botDisplayName: config.appservice.bot_display_name,
      paymentsDisplayName: config.appservice.payments_display_name,
    },
  });
  return connection;
}

function buildWorker(deps: AppDependencies, kinds: ConstructorParameters<typeof Worker>[0]['kinds'], metrics: Metrics): Worker {
  const { jobs } = deps.config;
  return new Worker({
    ...deps,
    kinds,
    options: {
      maxAttempts: jobs.max_attempts,
      pollIntervalMs: jobs.poll_interval_ms,
      leaseMs: jobs.lease_seconds * 1000,
      concurrency: jobs.concurrency,
      backoffBaseMs: jobs.backoff_base_ms,
      backoffCapMs: jobs.backoff_cap_ms,
    },
    onSettled: (kind, outcome) => metrics.countJob(kind, outcome),
  });
}

/** The Matrix users that speak for mini-apps, and all that moves money. */
function buildBotsAndMoney(deps: AppDependencies, matrix: Matrix, { miniapps, webhooks, oauth, mfa, notices, metrics, calls }: { readonly miniapps: MiniApps; readonly webhooks: Webhooks; readonly oauth: OAuth; readonly mfa: Mfa; readonly notices: Notices; readonly metrics: () => Metrics; readonly calls: WalletServiceCalls | undefined }) {
  const bots = createMiniAppBots({
    ...deps,
    isOurs: (userId) => matrix.names.isOurs(userId),
    proveUser: async (token) => (await oauth.verifyMatrixToken(token)).userId,
    audit: (tx, { action, by, miniappId, details }) => matrix.audit.record(tx, { actor: registryActor(by), action, target: { kind: 'miniapp', id: miniappId }, details }),
  });
  const money = buildMoney({
    ...{ ...deps, ...matrix, mfa, miniapps, webhooks, notices, calls },
    botOf: async (miniappId) => (await bots.find(miniappId))?.userId,
    ...{ onPayment: (status) => metrics().countPayment(status), onOrder: (kind, status) => metrics().countOrder(kind, status) },
    walletObserver: metrics,
    proofs: deps.proofs ?? proofsOf(mfa),
    limitShareOf: limitShareOf(mfa, deps.config.mfa.lowered_limits_percent / 100),
  });
  return { bots, money };
}

/** The connection by which instances wake each other, where there can be any. */
const instancesLoop = (wakes: SharedWakes): Readonly<Record<string, LoopReport>> => {
  const health = wakes.health();
  return health === undefined ? {} : { instances: health };
};

/** Limits on the bodies of operations that have one of their own (`x-body-limit`). */
function bodyLimitsOf({ storage }: Config): Record<string, number> {
  // Any value that may be stored fits, however its characters are escaped; and a batch may fill the quota.
  const value = 6 * storage.max_value_bytes + 65_536;
  return { storage_value: value, storage_batch: storage.max_bytes + value };
}

interface HttpParts {
  readonly metrics: Metrics;
  readonly connection: ReturnType<typeof connect>;
  readonly oauth: OAuth;
  readonly audit: Matrix['audit'];
  readonly contract: Contract;
  readonly limits: BuiltLimits;
  readonly routes: Routes;
  readonly authenticators: Authenticators;
}

/** What this process answers over HTTP, by its roles. */
function buildHttp(deps: AppDependencies, roles: ReadonlySet<string>, { metrics, connection, oauth, audit, contract, limits, routes, authenticators }: HttpParts): Express {
  const { config, registration, database, log } = deps;
  const onPrivileged: ApiOptions['onPrivileged'] = (principal, operation) => database.inTransaction((tx) => audit.record(tx, privilegedUse(principal, operation)));
  const router = { contract, routes: { ...routes, ...capabilityRoutes(offerOf(config, contract)) }, authenticators, limits: limits.requests, bodyLimitBytes: config.server.body_limit_bytes, bodyLimits: bodyLimitsOf(config), checkResponses: deps.checkResponses ?? false, onPrivileged };
  return createGateway({
    ...deps,
    observe: (request) => metrics.observeRequest(request),
    tracer: deps.tracer ?? plainTracer,
    https: config.server.public_url.startsWith('https:'),
    trustedProxies: config.server.trusted_proxies,
    limits: limits.requests,
    appservice: roles.has('appservice') ? appserviceRouter({ ...connection, hsToken: registration.hsToken, bodyLimitBytes: config.server.appservice_body_limit_bytes, log }) : undefined,
    // Every process can be asked whether it lives, whatever it does.
    api: roles.has('api') ? { oauth: oauth.middleware, router } : { oauth: undefined, router: { ...router, ...onlyProbes(contract, routes) } },
  });
}

const isProbe = (operationId: string): boolean => operationId === 'getLiveness' || operationId === 'getReadiness';

const onlyProbes = (contract: Contract, routes: Routes): Pick<ApiOptions, 'contract' | 'routes'> => ({
  contract: { ...contract, operations: contract.operations.filter(({ id }) => isProbe(id)) },
  routes: Object.fromEntries(Object.entries(routes).filter(([id]) => isProbe(id))),
});

interface Features {
  readonly miniapps: MiniApps;
  readonly distribution: Distribution;
  readonly bots: MiniAppBots;
  readonly whitelist: Whitelist;
  readonly organizations: Organizations;
  readonly developers: { readonly console: Console; readonly tokens: DeveloperTokens };
  readonly catalog: ReturnType<typeof buildCatalog>;
  readonly storage: Storage;
  readonly oauth: OAuth;
  readonly mfa: Mfa;
  readonly webhooks: Webhooks;
  readonly notices: Notices;
}

/** Handlers by operation, of the features that bring none themselves. */
function routesOf({ config, database, clock }: AppDependencies, { miniapps, distribution, bots, whitelist, organizations, developers, catalog, storage, oauth, mfa, webhooks, notices }: Features): Routes {
  return {
    ...miniappRoutes({ miniapps, act: async (...step) => (await distribution.lifecycle.act(...step)).app, isPrivilegedScope }),
    ...distribution.routes,
    ...botRoutes({ bots, miniapps }),
    ...developerRoutes({ whitelist, organizations, clock }),
    ...developerTokenRoutes({ ...developers, proveUser: async (token) => (await oauth.verifyMatrixToken(token)).userId }),
    ...catalog.routes,
    ...storageRoutes({ storage, clock }),
    ...noticeRoutes({ notices, isFirstParty: isReservedAudience }),
    ...oauthRoutes(oauth),
    ...mfaRoutes(mfa),
    ...webhookRoutes({ database, webhooks, requireApp: requireAppOf(miniapps) }),
    ...analyticsRoutes({ analytics: createAnalytics({ database, clock, fewest: config.analytics.min_people }), requireApp: requireAppOf(miniapps) }),
  };
}

/** Puts the house together, from the outside in: homeserver, features, worker, HTTP. Opens and starts nothing. */
export function buildApp(deps: AppDependencies): App {
  const { config, database, clock } = deps;
  const roles = new Set(config.server.roles);
  const matrix = buildMatrix(deps);
  const { organizations, whitelist } = buildDevelopers(deps, matrix, async (tx, userId, owner) => {
    for (const miniappId of await miniapps.listUnpublished(tx, owner)) await oauth.revokeSessions(tx, { userId, miniappId });
  });
  const ownership = createOwnership(organizations);
  const { mirror, jobs: mirrorJobs } = buildMirror({ ...deps, ...matrix });
  const { miniapps, distribution } = buildMiniApps(deps, matrix, mirror, ownership, (tx, miniappId) => oauth.revokeSessions(tx, { miniappId }), () => webhooks);
  const { webhooks, close: closeWebhooks } = buildWebhooks(deps, matrix, miniapps, ownership);
  const { proof, signIn, close: closeProof } = buildProof(deps, miniapps);
  const contract = loadContract(new URL('openapi.yaml', schemaFolder));
  const limits = buildLimits({ ...deps, ...matrix, contract, metrics: () => metrics });
  const calls = callWalletService({ ...deps, observer: () => metrics });
  const mfa = buildMfa({ ...deps, ...matrix, audit: matrix.audit.record, askFactors: calls === undefined ? undefined : (request) => calls.client.factors(request) });
  const notices = buildNotices({ ...deps, ...matrix, oauth: () => oauth });
  const console = buildConsole(deps, miniapps);
  const proxying = buildProxying(deps, matrix, signIn);
  const oauth: OAuth = buildOAuth({ ...deps, ...matrix, miniapps, webhooks, notices, proof, signIn, developers: createDeveloperSignIn(console, () => developers.tokens), mfa, proxying, limits });
  const developers = { console, tokens: buildDeveloperTokens(deps, organizations, oauth, console, limits, matrix.audit.record) };
  const storage = buildStorage({ ...deps, ...matrix, oauth, notices });
  const catalog = buildCatalog({ ...deps, ...matrix, miniapps, mirror, oauth, storage, webhooks, notices });
  const { bots, money } = buildBotsAndMoney(deps, matrix, { miniapps, webhooks, oauth, mfa, notices, metrics: () => metrics, calls });
  const connection = connect(deps, matrix, { miniapps, distribution }, [...catalog.commands, ...money.commands], () => metrics);
  const homeserverState = (): string => connection.monitor.state().state;
  const loops = () => ({ homeserver_monitor: connection.monitor.health(), ...(roles.has('api') ? { notices: notices.health() } : {}), ...instancesLoop(matrix.wakes), ...(roles.has('worker') ? worker.health() : {}) });
  const metrics = createMetrics({ database, clock, homeserverState, loops, eventStreams: () => notices.count(), limits: limits.state, suspensionReasons: limits.suspensionReasons, breakers: () => money.breakers(), openInstructions: () => money.openInstructions() });
  const maintenance = createMaintenance({ queue: matrix.queue, clock, chores: [async (tx, now) => (await purgeFinished(tx, now - config.jobs.retention_days * dayMs, purgeBatch)) === purgeBatch, purgeExpired, purgeExpiredDeveloperTokens, mfa.tidyUp, (tx) => oauth.rotateDueKeys(tx, config.oauth.signing_key_rotation_days * dayMs), matrix.audit.tidyUp, webhooks.tidyUp, (tx, now) => proxying.tidyUp(tx, now), ...money.chores, ...distribution.chores, (tx, now) => storage.sweep(tx, now), ...catalog.chores, (tx, now) => notices.tidyUp(tx, now), limits.tidyUp] });
  const jobs = { ...connection.jobs, ...mirrorJobs, ...catalog.jobs, ...money.jobs, ...mfa.jobs, ...proxying.jobs, ...distribution.jobs, [maintenanceKind]: maintenance.job, [sealingKind]: matrix.audit.sealing, [deliveryKind]: webhooks.delivering, [resealKind]: storage.resealing };
  const worker = buildWorker(deps, jobs, metrics);
  matrix.queue.onEnqueued((due) => (due ? matrix.wakes.tell('jobs') : worker.wake()));
  matrix.wakes.on('jobs', () => worker.wake());

  const admins = createAdminTokens({ database, clock, audit: matrix.audit.record });
  const authenticators = authenticatorsOf(oauth, admins, developers);
  const routes = { ...routesOf(deps, { miniapps, distribution, bots, whitelist, organizations, developers, catalog, storage, oauth, mfa, webhooks, notices }), ...administrationRoutes({ ...deps, ...matrix, oauth, proxying, changes: money.changes }), ...limits.routes, ...referenceRoutes({ contract, schemaFolder, publicUrl: config.server.public_url, version: deps.version }), ...proxying.routes, ...money.routes, ...operationsRoutes({ database, version: deps.version, homeserverState, loops, breakers: money.breakers }) };

  const http = buildHttp(deps, roles, { metrics, connection, oauth, audit: matrix.audit, contract, limits, routes, authenticators });

  return {
    http,
    metrics,
    worker,
    jobs,
    storage, notices,
    whitelist, admins,
    homeserverState,
    async prepare() {
      // On SQLite this process is the only server: what one that died had leased is free.
      if (database.dialect === 'sqlite') await dropAllLeases(database);
      // Making the first signing keys takes a while, and no database meanwhile.
      await Promise.all([limits.ready(), distribution.prepare(), oauth.prepare(), whitelist.adoptConfigured(config.developers.whitelist), adoptPreinstalled(miniapps, config.catalog.preinstalled)]);
      matrix.wakes.start();
      await connection.prepare();
    },
    async start() {
      await database.inTransaction((tx) => Promise.resolve([maintenance, catalog].forEach((work) => work.schedule(tx))));
      if (roles.has('worker')) worker.start();
      // A homeserver that does not answer must not hold up the start.
      await Promise.race([connection.monitor.start(), delay(firstLookMs)]);
    },
    release: () => [() => storage.stopWaiting(), () => notices.release()].forEach((end) => end()),
    async stop() {
      await connection.monitor.stop();
      if (roles.has('worker')) await worker.stop();
      for (const close of [closeProof, () => proxying.close(), closeWebhooks, () => distribution.close(), () => limits.close(), () => matrix.wakes.stop(), () => calls?.close()]) await close();
    },
  };
}
