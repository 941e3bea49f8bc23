import { isDeepStrictEqual } from 'node:util';
import type { Database, Queryable, Transaction } from '../database/index.ts';
import { advance } from '../kernel/advance.ts';
import { isoTime } from '../kernel/clock.ts';
import { createLiveCache } from '../kernel/live-cache.ts';
import type { Wakes } from '../kernel/wakes.ts';
import { AppError } from '../kernel/errors.ts';
import { asMiniAppId, newSecret, newWebhookSecret, randomSuffix, sha256Hex, type MiniAppId, type UserId } from '../kernel/ids.ts';
import type { RoomEvents } from '../matrix/port.ts';
import { isUnpublished, miniappMachine, unpublishedStates, type MiniAppCommand, type MiniAppStatus } from './machine.ts';
import type { Owner, Ownership } from './ownership.ts';
import { findClient, findMiniApp, findWebhook, insertClient, insertClientSecret, insertMiniApp, listOwned, listSecretHashes, lockMiniApp, moveMiniApp, setClassification, updateMiniAppDetails } from './repo.ts';
import { rotateSecret, type SecretsDependencies } from './secrets.ts';
import type { Classification, ClientType, InstallMode, MiniApp } from './types.ts';

export interface MiniAppsDependencies extends SecretsDependencies {
  readonly database: Database;
  readonly events: RoomEvents;
  readonly wakes: Wakes;
  readonly miniappUser: (miniappId: MiniAppId) => UserId;
  readonly ownership: Ownership;
  /** The catalogue room: shows an app as it is now, if it has a place for it; what it is to show when it is new. */
  readonly mirror: { show(tx: Transaction, app: MiniApp): Promise<void>; list(tx: Transaction): Promise<MiniApp[]> };
  /** An app was suspended or retired: its users' sessions end with the same commit. */
  readonly endSessions: (tx: Transaction, miniappId: MiniAppId) => Promise<unknown>;
  /** What was done to an app, and by whom, in the transaction that does it. */
  readonly audit: (tx: Transaction, entry: MiniAppAudit) => Promise<void>;
}

export interface MiniAppAudit {
  readonly action: 'miniapp.secret_rotated' | 'miniapp.registered' | 'miniapp.moved' | 'miniapp.classified' | 'miniapp.changed' | 'miniapp.bot_registered' | 'miniapp.bot_removed';
  readonly by: Actor;
  readonly miniappId: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Who acts on the registry: who may register, or the manifest of official apps. */
export type Actor = Registrar | { readonly manifest: true };

/** What a registration says (specification sections 9.1.1 and 16.3). */
export interface Registration {
  readonly miniappId?: MiniAppId;
  readonly name: string;
  readonly shortName?: string;
  readonly description: string;
  readonly category: string;
  readonly classification: Classification;
  readonly clientType: ClientType;
  readonly version: string;
  readonly entryPoint: string;
  readonly redirectUris: readonly string[];
  readonly webhookUrl?: string;
  readonly scopes: readonly string[];
  readonly iconUrl?: string;
  readonly developer: Readonly<Record<string, unknown>>;
  readonly branding: Readonly<Record<string, unknown>>;
  readonly marketing: Readonly<Record<string, unknown>>;
  readonly installMode: InstallMode;
  readonly displayOrder: number;
  readonly owner?: Owner;
}

/** Who registers: an administrator, or a developer, whose role in the owning organisation must allow it. */
export type Registrar = { readonly admin: string } | { readonly developer: UserId };

/** Shown once; only hashes and sealed forms are kept. */
export interface Credentials {
  readonly publicClientId: string | undefined;
  readonly confidentialClientId: string | undefined;
  readonly clientSecret: string | undefined;
  readonly webhookSecret: string;
}

export interface RegisteredClient {
  readonly clientId: string;
  readonly kind: 'public' | 'confidential';
  readonly app: MiniApp;
  readonly secretHashes: readonly string[];
}

export interface MiniApps {
  /**
   * Registers a mini-app and makes its clients, then takes it through `commands`, all in one transaction.
   * @throws AppError ALREADY_EXISTS when the id is taken; NOT_FOUND, INSUFFICIENT_PERMISSIONS for the owning organisation.
   */
  register(registration: Registration, by: Registrar, commands: readonly MiniAppCommand[]): Promise<{ app: MiniApp; credentials: Credentials }>;
  /** Takes the app through `commands`. @throws AppError MINIAPP_NOT_FOUND, INVALID_STATE_TRANSITION */
  move(miniappId: string, by: Registrar, commands: readonly MiniAppCommand[], reason?: string): Promise<MiniApp>;
  /** As part of `tx`. Nothing is written when it throws. */
  moveIn(tx: Transaction, miniappId: string, by: Registrar, commandsFor: (app: MiniApp) => readonly MiniAppCommand[], reason?: string): Promise<MiniApp>;
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
  /** Where the app's server listens, or `url` in its place; undefined where there is neither or the app is retired. */
  webhookOf(miniappId: string, db?: Queryable, url?: string): Promise<{ readonly url: string; readonly sealedSecret: string } | undefined>;
  /** @throws AppError MINIAPP_NOT_FOUND, INVALID_REQUEST */
  rotateSecret(miniappId: string, by: Registrar, which: 'client' | 'webhook', overlapMs: number): Promise<{ secret: string; clientId: string | undefined; oldUntil: number }>;
  /** Writes into `tx` the state of every app that the catalogue room is to show. */
  fillCatalogue(tx: Transaction): Promise<void>;
}

const slugOf = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 24)
    .replace(/_+$/, '') || 'app';

const newMiniAppId = (name: string): MiniAppId => asMiniAppId(`ma_${slugOf(name)}_${randomSuffix(6)}`);

function draftOf(registration: Registration, by: string, now: number): MiniApp {
  return {
    ...registration,
    miniappId: registration.miniappId ?? newMiniAppId(registration.name),
    shortName: registration.shortName,
    webhookUrl: registration.webhookUrl,
    iconUrl: registration.iconUrl,
    status: 'draft',
    statusReason: undefined,
    installCount: 0,
    registeredBy: by,
    createdAt: now,
    updatedAt: now,
    publishedAt: undefined,
    owner: registration.owner,
  };
}

function newCredentials({ miniappId, clientType }: MiniApp): Credentials {
  return {
    publicClientId: clientType === 'confidential' ? undefined : miniappId,
    confidentialClientId: clientType === 'public' ? undefined : clientType === 'hybrid' ? `${miniappId}_backend` : miniappId,
    clientSecret: clientType === 'public' ? undefined : newSecret('secret_'),
    webhookSecret: newWebhookSecret(),
  };
}

const announce = async ({ events, mirror, miniappUser }: MiniAppsDependencies, tx: Transaction, app: MiniApp): Promise<void> => {
  if (app.status === 'draft') return;
  await mirror.show(tx, app);
  if (app.status === 'active') events.ensureProfile(tx, miniappUser(app.miniappId), app.name);
};

/** One published state for each step: a reader of the room sees the way, not only where it ended. */
async function walk(deps: MiniAppsDependencies, tx: Transaction, start: MiniApp, by: Actor, commands: readonly MiniAppCommand[], reason?: string): Promise<MiniApp> {
  let app = start;
  for (const command of commands) {
    const now = deps.clock.now();
    const status = advance<MiniAppStatus>(miniappMachine, app.status, command);
    const published = status === 'active' && app.publishedAt === undefined;
    if (!(await moveMiniApp(tx, app.miniappId, app.status, status, { now, reason, published }))) throw new AppError('INVALID_STATE_TRANSITION', 'The mini-app has changed meanwhile');
    await deps.audit(tx, { action: 'miniapp.moved', by, miniappId: app.miniappId, details: { command, from: app.status, to: status, ...(reason === undefined ? {} : { reason }) } });
    app = { ...app, status, statusReason: reason, updatedAt: now, publishedAt: published ? now : app.publishedAt };
    await announce(deps, tx, app);
    if (status === 'suspended' || status === 'retired') await deps.endSessions(tx, app.miniappId);
  }
  return app;
}

async function insertClients(tx: Transaction, app: MiniApp, credentials: Credentials): Promise<void> {
  const now = app.createdAt;
  if (credentials.publicClientId !== undefined) await insertClient(tx, { clientId: credentials.publicClientId, miniappId: app.miniappId, kind: 'public' }, now);
  if (credentials.confidentialClientId === undefined || credentials.clientSecret === undefined) return;
  await insertClient(tx, { clientId: credentials.confidentialClientId, miniappId: app.miniappId, kind: 'confidential' }, now);
  await insertClientSecret(tx, credentials.confidentialClientId, sha256Hex(credentials.clientSecret), now);
}

async function create(deps: MiniAppsDependencies, tx: Transaction, app: MiniApp, by: Actor): Promise<Credentials> {
  const credentials = newCredentials(app);
  if (!(await insertMiniApp(tx, app, deps.seal(credentials.webhookSecret, app.miniappId)))) throw new AppError('ALREADY_EXISTS', `There is a mini-app ${app.miniappId} already`);
  await insertClients(tx, app, credentials);
  await deps.audit(tx, { action: 'miniapp.registered', by, miniappId: app.miniappId, details: { name: app.name, classification: app.classification, client_type: app.clientType, scopes: app.scopes } });
  return credentials;
}

const unknownMiniApp = (): AppError => new AppError('MINIAPP_NOT_FOUND', 'No such mini-app');

async function lock(tx: Transaction, miniappId: string): Promise<MiniApp> {
  const app = await lockMiniApp(tx, miniappId);
  if (app === undefined) throw unknownMiniApp();
  return app;
}

/** Whether the owner may be given to the app by whoever registers it. */
async function checkOwner({ ownership }: MiniAppsDependencies, tx: Transaction, owner: Owner | undefined, by: Registrar): Promise<void> {
  if (owner === undefined || !('orgId' in owner)) return;
  if ('developer' in by) await ownership.requireMayRegister(tx, by.developer, owner.orgId);
  else if (!(await ownership.organizationExists(tx, owner.orgId))) throw new AppError('NOT_FOUND', 'No such organization');
}

const byManifest: Actor = { manifest: true };

async function adopt(deps: MiniAppsDependencies, tx: Transaction, registration: Registration & { readonly miniappId: MiniAppId }): Promise<'created' | 'changed' | 'same'> {
  const known = await lockMiniApp(tx, registration.miniappId);
  if (known === undefined) {
    const draft = draftOf(registration, 'manifest', deps.clock.now());
    await create(deps, tx, draft, byManifest);
    await walk(deps, tx, draft, byManifest, ['submit', 'begin_review', 'approve', 'publish']);
    return 'created';
  }
  const wanted: MiniApp = { ...known, ...registration };
  if (isDeepStrictEqual(wanted, known)) return 'same';
  const app = { ...wanted, updatedAt: deps.clock.now() };
  await updateMiniAppDetails(tx, app);
  await deps.audit(tx, { action: 'miniapp.changed', by: byManifest, miniappId: app.miniappId, details: { version: app.version } });
  await announce(deps, tx, app);
  return 'changed';
}

async function findRegisteredClient({ database, clock }: MiniAppsDependencies, clientId: string): Promise<RegisteredClient | undefined> {
  const client = await findClient(database, clientId);
  const app = client === undefined ? undefined : await findMiniApp(database, client.miniappId);
  if (client === undefined || app === undefined) return undefined;
  return { clientId, kind: client.kind, app, secretHashes: client.kind === 'public' ? [] : await listSecretHashes(database, clientId, clock.now()) };
}

async function moveIn(deps: MiniAppsDependencies, tx: Transaction, miniappId: string, by: Registrar, commandsFor: (app: MiniApp) => readonly MiniAppCommand[], reason?: string): Promise<MiniApp> {
  const app = await lock(tx, miniappId);
  return walk(deps, tx, app, by, commandsFor(app), reason);
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
    register: (registration, by, commands) =>
      change(async (tx) => {
        await checkOwner(deps, tx, registration.owner, by);
        const draft = draftOf(registration, 'admin' in by ? `admin:${by.admin}` : by.developer, clock.now());
        const credentials = await create(deps, tx, draft, by);
        return { app: await walk(deps, tx, draft, by, commands), credentials };
      }),
    move: (miniappId, by, commands, reason) => change(async (tx) => walk(deps, tx, await lock(tx, miniappId), by, commands, reason)),
    moveIn(tx, ...move) {
      tx.afterCommit(() => clients.clear());
      return moveIn(deps, tx, ...move);
    },
    classify: (miniappId, by, classification) =>
      change(async (tx) => {
        const app = { ...(await lock(tx, miniappId)), classification, updatedAt: clock.now() };
        await setClassification(tx, app.miniappId, classification, app.updatedAt);
        await deps.audit(tx, { action: 'miniapp.classified', by, miniappId, details: { classification } });
        await announce(deps, tx, app);
        return app;
      }),
    adopt: (registration) => change((tx) => adopt(deps, tx, registration)),
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
    findClient: (clientId) => clients.find(clientId),
    async getManaged(developer, miniappId) {
      const app = await this.getFor(developer, miniappId);
      if (app.owner === undefined || !(await deps.ownership.mayManage(database, developer, app.owner))) throw new AppError('INSUFFICIENT_PERMISSIONS', 'Your role does not allow this');
      return app;
    },
    async webhookOf(miniappId, db = database, url) {
      const webhook = await findWebhook(db, miniappId);
      const target = url ?? webhook?.url;
      return webhook?.sealedSecret === undefined || webhook.status === 'retired' || target === undefined ? undefined : { url: target, sealedSecret: webhook.sealedSecret };
    },
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
