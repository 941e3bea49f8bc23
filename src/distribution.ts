import { noteInstalledVersion, type Mirror } from './catalog/index.ts';
import type { Config } from './config/index.ts';
import type { Database, Transaction } from './database/index.ts';
import type { JobQueue } from './jobs/index.ts';
import { isoTime, type Clock } from './kernel/clock.ts';
import { asUserId, type MiniAppId, type UserId } from './kernel/ids.ts';
import type { RoomEvents } from './matrix/port.ts';
import type { AppStep, Followers, MiniApp, MiniAppAudit, MiniApps, Ownership, Registrar } from './miniapps/index.ts';
import { announcer, bundleRoutes, createBundles, createFollowers, createLifecycle, createLocalStore, createS3Store, createReleaseKeys, createUpdates, createVersions, updateRoutes, removalKind, releaseRoutes, type CommandsFor, type Lifecycle, type VersionStep } from './releases/index.ts';
import { checksKind, createAppeals, forsakenKind, createReviews, reviewRoutes } from './reviews/index.ts';
import { createGuardedFetch } from './security/guarded-fetch.ts';
import type { KeyRing } from './security/key-ring.ts';
import type { Webhooks } from './webhooks/index.ts';

export interface DistributionDependencies {
  readonly config: Config;
  readonly queue: JobQueue;
  readonly database: Database;
  readonly clock: Clock;
  readonly events: RoomEvents;
  readonly miniappUser: (miniappId: MiniAppId) => UserId;
  readonly mirror: Mirror;
  readonly ownership: Ownership;
  readonly auditApp: (tx: Transaction, entry: MiniAppAudit) => Promise<void>;
  readonly isPrivilegedScope: (scope: string) => boolean;
  /** Whether users are asked for the scope. */
  readonly isAskedFor: (scope: string) => boolean;
  readonly keyRing: KeyRing;
  readonly miniapps: () => MiniApps;
  readonly webhooks: () => Webhooks;
}

const dayMs = 24 * 60 * 60_000;
/** What developers also hear in their notice rooms, because it was not they who did it. */
const verdicts: Readonly<Record<string, string>> = { approve: 'was approved', reject: 'was rejected', suspend: 'was suspended', reinstate: 'was reinstated', revoke: 'was revoked' };

/** How mini-apps come to their users: versions, reviews, updates; and who is told. */
export function buildDistribution(deps: DistributionDependencies) {
  const { events, ownership } = deps;
  const notify = async (tx: Transaction, app: MiniApp, text: string): Promise<void> => {
    const developers = app.owner === undefined ? [] : await ownership.usersOf(tx, app.owner);
    for (const userId of developers) events.emit(tx, { place: { noticesOf: asUserId(userId) }, speaker: 'bot', type: 'm.room.message', content: { msgtype: 'm.notice', body: `${app.name}: ${text}` } });
  };
  const because = (reason: string | undefined): string => (reason === undefined ? '' : `: ${reason}`);

  const { store: where, s3, directory, max_bytes: maxBytes, max_unpacked_bytes: maxUnpackedBytes, max_files: maxFiles } = deps.config.bundles;
  const store = where === 's3' && s3 !== undefined ? createS3Store(s3) : createLocalStore(directory);
  const bundles = createBundles({ ...deps, store, directory, limits: { maxBytes, maxUnpackedBytes, maxFiles } });

  const tellApp = async (tx: Transaction, { app, command, from, reason }: AppStep): Promise<void> => {
    await deps.webhooks().send(tx, { miniappId: app.miniappId, event: 'app.status_changed', data: { miniapp_id: app.miniappId, status: app.status, previous_status: from, version: app.version, ...(reason === undefined ? {} : { reason }), timestamp: isoTime(app.updatedAt) } });
    if (verdicts[command] !== undefined) await notify(tx, app, `it ${verdicts[command]}${because(reason)}`);
  };
  const tellVersion = async (tx: Transaction, { app, version, command, from, reason }: VersionStep): Promise<void> => {
    await deps.webhooks().send(tx, { miniappId: app.miniappId, event: 'app.version_changed', data: { miniapp_id: app.miniappId, version: version.version, version_code: version.versionCode, state: version.state, previous_state: from, ...(reason === undefined ? {} : { reason }), timestamp: isoTime(version.changedAt) } });
    if (verdicts[command] !== undefined) await notify(tx, app, `version ${version.version} ${verdicts[command]}${because(reason)}`);
  };

  const miniapps: Pick<MiniApps, 'find' | 'get' | 'getFor' | 'getManaged' | 'lock' | 'withLocked' | 'walk' | 'release'> = {
    find: (id) => deps.miniapps().find(id),
    lock: (tx, id) => deps.miniapps().lock(tx, id),
    get: (id) => deps.miniapps().get(id),
    getFor: (developer, id) => deps.miniapps().getFor(developer, id),
    getManaged: (developer, id) => deps.miniapps().getManaged(developer, id),
    withLocked: (id, work) => deps.miniapps().withLocked(id, work),
    walk: (...step) => deps.miniapps().walk(...step),
    release: (...change) => deps.miniapps().release(...change),
  };
  const { advisories_file: advisoriesFile, frame_ancestors: framing, check_timeout_seconds, verified_days, community_days, beta_days, evidence_max_bytes, evidence_max_files, contact_email: contactEmail } = deps.config.reviews;
  const guardedFetch = createGuardedFetch({ development: deps.config.security.development, timeoutMs: 10_000, maxBytes: 2 * 1024 * 1024 });
  const reviews = createReviews({
    ...deps,
    miniapps,
    bundles,
    guardedFetch,
    advisoriesFile,
    framing,
    lifecycle: (): Lifecycle => lifecycle,
    promisedMs: { official: 0, verified: verified_days * dayMs, community: community_days * dayMs, beta: beta_days * dayMs },
    checkTimeoutMs: check_timeout_seconds * 1000,
  });
  const { onStep } = reviews;
  const appeals = createAppeals({ ...deps, miniapps, store, receive: bundles.receive, lifecycle: () => lifecycle });
  const followers: Followers = createFollowers({ ...deps, onStep });
  const lifecycle = createLifecycle({ ...deps, miniapps, onStep, announce: announcer(deps), audit: deps.auditApp, tell: tellVersion });
  const versions = createVersions({ ...deps, miniapps, lifecycle, audit: deps.auditApp, confirmBundle: bundles.confirm });
  const updates = createUpdates({
    ...deps,
    bundles,
    keys: createReleaseKeys(deps),
    origin: deps.config.bundles.public_url?.replace(/\/+$/, '') ?? deps.config.server.public_url,
    signatureMs: deps.config.bundles.signature_days * dayMs,
    noteInstalled: noteInstalledVersion,
    tell: async (tx, { app, userId, from, to, at }) => {
      await deps.webhooks().send(tx, { miniappId: app.miniappId, event: 'app.updated', data: { miniapp_id: app.miniappId, user_id: userId, previous_version: from, new_version: to, timestamp: isoTime(at) } });
    },
  });
  return {
    followers,
    tell: tellApp,
    lifecycle,
    /** An administrator's word in a room: the same step as over HTTP, as part of the transaction that answers. */
    moveIn: async (tx: Transaction, miniappId: string, by: Registrar, commandsFor: CommandsFor, reason?: string): Promise<MiniApp> => (await lifecycle.actIn(tx, await miniapps.lock(tx, miniappId), by, commandsFor, reason)).app,
    routes: { ...releaseRoutes({ ...deps, miniapps, lifecycle, versions, bundles }), ...bundleRoutes({ ...deps, bundles }), ...updateRoutes({ updates }), ...reviewRoutes({ miniapps, reviews, appeals, evidence: { maxBytes: evidence_max_bytes, maxFiles: evidence_max_files }, contactEmail }) },
    jobs: { [removalKind]: bundles.removing, [checksKind]: reviews.checking, [forsakenKind]: appeals.forsaking },
    prepare: () => bundles.removeLeftovers(),
    chores: [bundles.tidyUp],
    close: () => Promise.all([store.close(), guardedFetch.close()]),
  };
}

export type Distribution = ReturnType<typeof buildDistribution>;
