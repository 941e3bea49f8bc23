import express, { type Express } from 'express';
import { createInstalls, launchCommand, storeRoutes } from './catalog/index.ts';
import type { Config, Registration } from './config/index.ts';
import type { Database } from './database/index.ts';
import { apiRouter, cors, errorHandler, identifyRequests, loadContract, loadEventSchemas, notFound, securityHeaders, type Authenticators } from './http/index.ts';
import { createJobQueue, dropAllLeases, purgeFinished, Worker } from './jobs/index.ts';
import type { Clock } from './kernel/clock.ts';
import { AppError } from './kernel/errors.ts';
import type { Log } from './kernel/log.ts';
import { appserviceRouter, connectMatrix, createRoomEvents, ownNames, OwnRooms, type Homeserver } from './matrix/index.ts';
import { adoptPreinstalled, createMiniApps, miniappRoutes } from './miniapps/index.ts';
import { createMaintenance, createMetrics, maintenanceKind, operationsRoutes, type Metrics } from './operations/index.ts';
import { createAdminTokens } from './security/admin-tokens.ts';
import type { KeyRing } from './security/key-ring.ts';

export interface AppDependencies {
  readonly config: Config;
  readonly registration: Registration;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly keyRing: KeyRing;
  readonly homeserver: Homeserver;
  readonly version: string;
  /** Tests set this: an answer that the OpenAPI document does not allow becomes an error. */
  readonly checkResponses?: boolean;
}

/** The server without its listener: shared by `main` and the tests. */
export interface App {
  readonly http: Express;
  readonly metrics: Metrics;
  readonly worker: Worker;
  /** Starts the background work. Never waits for the homeserver. */
  start(): Promise<void>;
  /** Ends it again: running jobs finish and are recorded first. */
  stop(): Promise<void>;
  /** One word on the connection to the homeserver. */
  homeserverState(): string;
}

const schemaFolder = new URL('../schema/', import.meta.url);

/** How many finished jobs one tidying up deletes at most. */
const purgeBatch = 5000;
const dayMs = 24 * 60 * 60_000;

function buildMatrix(deps: AppDependencies) {
  const { config, registration, database, clock, homeserver, keyRing } = deps;
  const queue = createJobQueue(clock);
  const events = createRoomEvents(queue);
  const names = ownNames(config.homeserver.domain, registration.senderLocalpart, config.catalog.room_alias_localpart);
  const aliasHash = (userId: string): string => Buffer.from(keyRing.mac('notice-room-alias', userId), 'base64url').toString('hex').slice(0, 32);
  const rooms = new OwnRooms({ database, clock, homeserver, names, aliasHash });
  return { queue, events, names, rooms };
}

function buildFeatures(deps: AppDependencies, matrix: ReturnType<typeof buildMatrix>) {
  const { config, database, clock, keyRing } = deps;
  const { events, rooms, names } = matrix;
  const miniapps = createMiniApps({
    database,
    clock,
    events,
    seal: (plaintext, belongsTo) => keyRing.seal('webhook-secret', plaintext, belongsTo),
    miniappUser: (miniappId) => names.miniappUser(miniappId),
    maxStateApps: config.catalog.max_state_apps,
  });
  const installs = createInstalls({ database, clock, events, rooms, miniapps, cleanUp: async () => {} });
  return { miniapps, installs, admins: createAdminTokens(database, clock) };
}

function connect(deps: AppDependencies, matrix: ReturnType<typeof buildMatrix>, { miniapps }: ReturnType<typeof buildFeatures>, metrics: () => Metrics) {
  const { config, registration } = deps;
  return connectMatrix({
    ...deps,
    ...matrix,
    commands: [launchCommand({ clock: deps.clock, events: matrix.events, miniapps })],
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

const refuse = (): Promise<never> => Promise.reject(new AppError('INVALID_TOKEN', 'Invalid or expired token'));

/** Puts the house together, from the outside in: homeserver, features, worker, HTTP. Opens and starts nothing. */
export function buildApp(deps: AppDependencies): App {
  const { config, registration, database, clock, log } = deps;
  const roles = new Set(config.server.roles);
  const matrix = buildMatrix(deps);
  const features = buildFeatures(deps, matrix);
  const connection = connect(deps, matrix, features, () => metrics);
  const homeserverState = (): string => connection.monitor.state().state;
  const metrics = createMetrics({ database, clock, homeserverState });
  const maintenance = createMaintenance({ queue: matrix.queue, clock, chores: [(tx, now) => purgeFinished(tx, now - config.jobs.retention_days * dayMs, purgeBatch)] });
  const worker = buildWorker(deps, { ...connection.jobs, [maintenanceKind]: maintenance.job }, metrics);
  matrix.queue.onEnqueued(() => worker.wake());

  const authenticators: Authenticators = { accessToken: refuse, adminToken: (token) => features.admins.authenticate(token), matrixToken: refuse, clientSecret: refuse };
  const routes = {
    ...operationsRoutes({ database, clock, version: deps.version, homeserverState, workerHealth: roles.has('worker') ? () => worker.health() : undefined }),
    ...miniappRoutes(features.miniapps),
    ...storeRoutes({ database, installs: features.installs, miniapps: features.miniapps }),
  };

  const http = express();
  http.disable('x-powered-by').disable('etag');
  http.set('trust proxy', config.server.trusted_proxies.length === 0 ? false : [...config.server.trusted_proxies]);
  http.use(identifyRequests(log, clock, (request) => metrics.observeRequest(request)), securityHeaders);
  if (roles.has('appservice')) http.use(appserviceRouter({ ...connection, hsToken: registration.hsToken, bodyLimitBytes: config.server.appservice_body_limit_bytes, log }));
  http.use(cors);
  if (roles.has('api')) http.use(apiRouter({ contract: loadContract(new URL('openapi.yaml', schemaFolder)), routes, authenticators, bodyLimitBytes: config.server.body_limit_bytes, checkResponses: deps.checkResponses ?? false }));
  http.use(notFound, errorHandler(log, clock));

  return {
    http,
    metrics,
    worker,
    homeserverState,
    async start() {
      // On SQLite this process is the only server: what one that died had leased is free.
      if (database.dialect === 'sqlite') await dropAllLeases(database);
      await adoptPreinstalled(features.miniapps, config.catalog.preinstalled);
      await connection.prepare();
      await database.inTransaction((tx) => Promise.resolve(maintenance.schedule(tx)));
      if (roles.has('worker')) worker.start();
      await connection.monitor.start();
    },
    async stop() {
      await connection.monitor.stop();
      if (roles.has('worker')) await worker.stop();
    },
  };
}
