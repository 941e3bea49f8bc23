import type { Queryable, Transaction } from '../database/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { MiniAppId, UserId } from '../kernel/ids.ts';
import { createLiveCache } from '../kernel/live-cache.ts';
import { edit, type Edits } from './edits.ts';
import { isUnpublished, unpublishedStates, type MiniAppCommand } from './machine.ts';
import type { Owner } from './ownership.ts';
import type { Actor, Credentials, Registrar, Registration } from './registration.ts';
import { findClient, findMiniApp, findWebhook, listOwned, listSecretHashes, setClassification, updateMiniAppDetails } from './repo.ts';
import { rotateSecret } from './secrets.ts';
import { adopt, announce, checkOwner, create, draftOf, lock, unknownMiniApp, walk, type MiniAppsDependencies } from './steps.ts';
import type { Classification, MiniApp } from './types.ts';

export interface RegisteredClient {
  readonly clientId: string;
  readonly kind: 'public' | 'confidential';
  readonly app: MiniApp;
  readonly secretHashes: readonly string[];
  /** Whom it is of, in nobody's own words: those of `developer` change without a review. An administrator's own app has those of who registered it. */
  readonly developerName: string | undefined;
}

export interface MiniApps {
  /**
   * Registers a mini-app and makes its clients, then takes it through `commands`, all in one transaction.
   * @throws AppError ALREADY_EXISTS when the id is taken; NOT_FOUND, INSUFFICIENT_PERMISSIONS for the owning organisation.
   */
  register(registration: Registration, by: Registrar, commands: readonly MiniAppCommand[]): Promise<{ app: MiniApp; credentials: Credentials }>;
  /** Takes the app through `commands`. @throws AppError MINIAPP_NOT_FOUND, INVALID_STATE_TRANSITION */
  move(miniappId: string, by: Registrar, commands: readonly MiniAppCommand[], reason?: string): Promise<MiniApp>;
  /** Runs `work` in a transaction with the app locked. @throws AppError MINIAPP_NOT_FOUND */
  withLocked<T>(miniappId: string, work: (tx: Transaction, app: MiniApp) => Promise<T>): Promise<T>;
  /** Locks the app for the rest of the transaction. @throws AppError MINIAPP_NOT_FOUND */
  lock(tx: Transaction, miniappId: string): Promise<MiniApp>;
  /** `move`, as part of a transaction that has locked the app. */
  walk(tx: Transaction, app: MiniApp, by: Actor, commands: readonly MiniAppCommand[], reason?: string): Promise<MiniApp>;
  /** Writes what a release makes of the app, and publishes it. Who holds a scope that it gives up signs in anew. */
  release(tx: Transaction, app: MiniApp, next: MiniApp, by: Actor): Promise<MiniApp>;
  /** Changes what may be changed without a review; until the app is submitted, everything. @throws AppError MINIAPP_NOT_FOUND, INVALID_STATE_TRANSITION */
  edit(miniappId: string, by: Registrar, edits: Edits): Promise<MiniApp>;
  /** @throws AppError MINIAPP_NOT_FOUND */
  classify(miniappId: string, by: Registrar, classification: Classification): Promise<MiniApp>;
  /** Brings an official app to what the manifest says; without a change nothing is written. */
  adopt(registration: Registration & { readonly miniappId: MiniAppId }): Promise<'created' | 'changed' | 'same'>;
  find(miniappId: string, db?: Queryable): Promise<MiniApp | undefined>;
  /** @throws AppError MINIAPP_NOT_FOUND */
  get(miniappId: string): Promise<MiniApp>;
  /** As a developer sees it. @throws AppError MINIAPP_NOT_FOUND for another's, too */
  getFor(developer: UserId, miniappId: string): Promise<MiniApp>;
  /** Who may use the app though it is not active: its owners, until it is in the store (decision D23). */
  earlyUsers(app: MiniApp): Promise<readonly string[]>;
  /** Ids of the owner's apps that are not in the store yet. */
  listUnpublished(db: Queryable, owner: Owner): Promise<string[]>;
  /** @throws AppError APP_NOT_FOUND for an app that users can't see: unknown, or not active. */
  getActive(miniappId: string, db?: Queryable): Promise<MiniApp>;
  findClient(clientId: string): Promise<RegisteredClient | undefined>;
  /** As `getFor`, for who may change the app. @throws AppError MINIAPP_NOT_FOUND, INSUFFICIENT_PERMISSIONS */
  getManaged(developer: UserId, miniappId: string): Promise<MiniApp>;
  /** Where the app's server listens, or `url` in its place; undefined where there is neither, or the app was retired and has been told so. */
  webhookOf(miniappId: string, db?: Queryable, url?: string): Promise<{ readonly url: string; readonly sealedSecret: string } | undefined>;
  /** @throws AppError MINIAPP_NOT_FOUND, INVALID_REQUEST */
  rotateSecret(miniappId: string, by: Registrar, which: 'client' | 'webhook', overlapMs: number): Promise<{ secret: string; clientId: string | undefined; oldUntil: number }>;
  /** Writes into `tx` the state of every app that the catalogue room is to show. */
  fillCatalogue(tx: Transaction): Promise<void>;
}

/** So long is an app's server still told that it was retired. */
const lastWordsMs = 72 * 60 * 60_000;

async function findRegisteredClient({ database, clock, ownership }: MiniAppsDependencies, clientId: string): Promise<RegisteredClient | undefined> {
  // Whoever asks may send anything, and PostgreSQL does not even look for this.
  const client = clientId.includes('\u0000') ? undefined : await findClient(database, clientId);
  const app = client === undefined ? undefined : await findMiniApp(database, client.miniappId);
  if (client === undefined || app === undefined) return undefined;
  const { company_name: company } = app.developer;
  const developerName = app.owner === undefined ? (typeof company === 'string' ? company : undefined) : await ownership.nameOf(database, app.owner);
  return { clientId, kind: client.kind, app, developerName, secretHashes: client.kind === 'public' ? [] : await listSecretHashes(database, clientId, clock.now()) };
}

type Reads = 'find' | 'get' | 'getFor' | 'earlyUsers' | 'listUnpublished' | 'getActive' | 'getManaged' | 'webhookOf';

function createReads(deps: MiniAppsDependencies): Pick<MiniApps, Reads> {
  const { database, clock } = deps;
  return {
    find: (miniappId, db = database) => findMiniApp(db, miniappId),
    async get(miniappId) {
      const app = await findMiniApp(database, miniappId);
      if (app === undefined) throw unknownMiniApp();
      return app;
    },
    async getFor(developer, miniappId) {
      const app = await findMiniApp(database, miniappId);
      if (app?.owner === undefined || !(await deps.ownership.mayRead(database, developer, app.owner))) throw unknownMiniApp();
      return app;
    },
    earlyUsers: async (app) => (app.owner !== undefined && isUnpublished(app.status) ? deps.ownership.usersOf(database, app.owner) : []),
    listUnpublished: (db, owner) => listOwned(db, owner, unpublishedStates),
    async getActive(miniappId, db = database) {
      const app = await findMiniApp(db, miniappId);
      if (app?.status !== 'active') throw new AppError('APP_NOT_FOUND', 'No such mini-app');
      return app;
    },
    async getManaged(developer, miniappId) {
      const app = await this.getFor(developer, miniappId);
      if (app.owner === undefined || !(await deps.ownership.mayManage(database, developer, app.owner))) throw new AppError('INSUFFICIENT_PERMISSIONS', 'Your role does not allow this');
      return app;
    },
    async webhookOf(miniappId, db = database, url) {
      const webhook = await findWebhook(db, miniappId);
      const target = url ?? webhook?.url;
      const isOver = webhook?.status === 'retired' && clock.now() - webhook.updatedAt > lastWordsMs;
      return webhook?.sealedSecret === undefined || isOver || target === undefined ? undefined : { url: target, sealedSecret: webhook.sealedSecret };
    },
  };
}

export function createMiniApps(deps: MiniAppsDependencies): MiniApps {
  const { database, clock } = deps;
  const clients = createLiveCache(clock, (clientId) => findRegisteredClient(deps, clientId), { shared: { wakes: deps.wakes, topic: 'miniapps' } });
  const change = <T>(work: (tx: Transaction) => Promise<T>): Promise<T> =>
    database.inTransaction((tx) => {
      tx.afterCommit(() => clients.clear());
      return work(tx);
    });
  return {
    ...createReads(deps),
    register: (registration, by, commands) =>
      change(async (tx) => {
        await checkOwner(deps, tx, registration.owner, by);
        const draft = draftOf(registration, 'admin' in by ? `admin:${by.admin}` : by.developer, clock.now());
        const credentials = await create(deps, tx, draft, by, registration.scopeJustifications);
        return { app: await walk(deps, tx, draft, by, commands), credentials };
      }),
    move: (miniappId, by, commands, reason) => change(async (tx) => walk(deps, tx, await lock(tx, miniappId), by, commands, reason)),
    lock,
    withLocked: (miniappId, work) => change(async (tx) => work(tx, await lock(tx, miniappId))),
    walk(tx, app, by, commands, reason) {
      tx.afterCommit(() => clients.clear());
      return walk(deps, tx, app, by, commands, reason);
    },
    async release(tx, app, next, by) {
      tx.afterCommit(() => clients.clear());
      await updateMiniAppDetails(tx, next);
      await deps.audit(tx, { action: 'miniapp.released', by, miniappId: app.miniappId, details: { version: next.version, version_code: next.versionCode } });
      if (app.scopes.some((scope) => !next.scopes.includes(scope))) await deps.endSessions(tx, app.miniappId);
      return next;
    },
    edit: (miniappId, by, edits) => change(async (tx) => edit(deps, tx, await lock(tx, miniappId), by, edits)),
    classify: (miniappId, by, classification) =>
      change(async (tx) => {
        const app = { ...(await lock(tx, miniappId)), classification, updatedAt: clock.now() };
        await setClassification(tx, app.miniappId, classification, app.updatedAt);
        await deps.audit(tx, { action: 'miniapp.classified', by, miniappId, details: { classification } });
        await announce(deps, tx, app);
        return app;
      }),
    adopt: (registration) => change((tx) => adopt(deps, tx, registration)),
    findClient: (clientId) => clients.find(clientId),
    rotateSecret: (miniappId, by, which, overlapMs) =>
      change(async (tx) => {
        const rotated = await rotateSecret(deps, tx, await lock(tx, miniappId), which, overlapMs);
        await deps.audit(tx, { action: 'miniapp.secret_rotated', by, miniappId, details: { secret: which, old_until: isoTime(rotated.oldUntil) } });
        return rotated;
      }),
    async fillCatalogue(tx) {
      for (const app of await deps.mirror.list(tx)) await announce(deps, tx, app);
    },
  };
}
