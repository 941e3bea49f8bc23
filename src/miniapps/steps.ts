import { isDeepStrictEqual } from 'node:util';
import semver from 'semver';
import type { Database, Transaction } from '../database/index.ts';
import { advance } from '../kernel/advance.ts';
import { AppError } from '../kernel/errors.ts';
import { asMiniAppId, newSecret, newWebhookSecret, randomSuffix, sha256Hex, type MiniAppId, type UserId } from '../kernel/ids.ts';
import type { Wakes } from '../kernel/wakes.ts';
import type { RoomEvents } from '../matrix/port.ts';
import { miniappMachine, type MiniAppCommand, type MiniAppStatus } from './machine.ts';
import type { Owner, Ownership } from './ownership.ts';
import type { Actor, Credentials, Registrar, Registration } from './registration.ts';
import { insertClient, insertClientSecret, insertMiniApp, lockMiniApp, moveMiniApp, updateMiniAppDetails } from './repo.ts';
import type { SecretsDependencies } from './secrets.ts';
import type { MiniApp } from './types.ts';

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
  /** Its versions and their review, which go with the app. */
  readonly followers: Followers;
  /** Tells the app's developers where it stands now. */
  readonly tell: (tx: Transaction, step: AppStep) => Promise<void>;
}

/** One step of an app's life. */
export interface AppStep {
  /** As it is after the step. */
  readonly app: MiniApp;
  readonly command: MiniAppCommand;
  readonly from: MiniAppStatus;
  readonly by: Actor;
  readonly reason: string | undefined;
}

/** What happens with an app in the same transaction. */
export interface Followers {
  registered(tx: Transaction, app: MiniApp, by: Actor, scopeJustifications: Readonly<Record<string, string>>): Promise<void>;
  /** The app as the step leaves it: publishing applies what its version changes. */
  moved(tx: Transaction, step: AppStep): Promise<MiniApp>;
  /** The manifest has a newer version. Returns its code. */
  renewed(tx: Transaction, app: MiniApp): Promise<number>;
}

export interface MiniAppAudit {
  readonly action: 'miniapp.secret_rotated' | 'miniapp.registered' | 'miniapp.moved' | 'miniapp.classified' | 'miniapp.changed' | 'miniapp.released' | 'miniapp.version_moved' | 'miniapp.version_added' | 'miniapp.rollout' | 'miniapp.bot_registered' | 'miniapp.bot_removed';
  readonly by: Actor;
  readonly miniappId: string;
  readonly details: Readonly<Record<string, unknown>>;
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

export function draftOf({ scopeJustifications: _why, ...registration }: Registration, by: string, now: number): MiniApp {
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
    versionCode: 1,
    bundleSha256: undefined,
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

export type Showing = Pick<MiniAppsDependencies, 'events' | 'miniappUser'> & { readonly mirror: Pick<MiniAppsDependencies['mirror'], 'show'> };

async function show({ events, mirror, miniappUser }: Showing, tx: Transaction, app: MiniApp): Promise<void> {
  await mirror.show(tx, app);
  if (app.status === 'active') events.ensureProfile(tx, miniappUser(app.miniappId), app.name);
}

/** Shows the app, as it is now, in the catalogue room; a draft is nobody else's business. */
export const announce = async (deps: Showing, tx: Transaction, app: MiniApp): Promise<void> => {
  if (app.status !== 'draft') await show(deps, tx, app);
};

/** One published state for each step: a reader of the room sees the way, not only where it ended. */
export async function walk(deps: MiniAppsDependencies, tx: Transaction, start: MiniApp, by: Actor, commands: readonly MiniAppCommand[], reason?: string): Promise<MiniApp> {
  let app = start;
  for (const command of commands) {
    const now = deps.clock.now();
    const status = advance<MiniAppStatus>(miniappMachine, app.status, command);
    const published = status === 'active' && app.publishedAt === undefined;
    if (!(await moveMiniApp(tx, app.miniappId, app.status, status, { now, reason, published }))) throw new AppError('INVALID_STATE_TRANSITION', 'The mini-app has changed meanwhile');
    await deps.audit(tx, { action: 'miniapp.moved', by, miniappId: app.miniappId, details: { command, from: app.status, to: status, ...(reason === undefined ? {} : { reason }) } });
    const step = { app: { ...app, status, statusReason: reason, updatedAt: now, publishedAt: published ? now : app.publishedAt }, command, from: app.status, by, reason };
    app = await deps.followers.moved(tx, step);
    if (app !== step.app) {
      await updateMiniAppDetails(tx, app);
      await deps.audit(tx, { action: 'miniapp.released', by, miniappId: app.miniappId, details: { version: app.version, version_code: app.versionCode } });
    }
    // A draft too: it was taken back, and the room must not go on saying that it is submitted.
    await show(deps, tx, app);
    await deps.tell(tx, { ...step, app });
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

export async function create(deps: MiniAppsDependencies, tx: Transaction, app: MiniApp, by: Actor, scopeJustifications: Registration['scopeJustifications'] = {}): Promise<Credentials> {
  const credentials = newCredentials(app);
  if (!(await insertMiniApp(tx, app, deps.seal(credentials.webhookSecret, app.miniappId)))) throw new AppError('ALREADY_EXISTS', `There is a mini-app ${app.miniappId} already`);
  await insertClients(tx, app, credentials);
  await deps.followers.registered(tx, app, by, scopeJustifications);
  await deps.audit(tx, { action: 'miniapp.registered', by, miniappId: app.miniappId, details: { name: app.name, classification: app.classification, client_type: app.clientType, scopes: app.scopes } });
  return credentials;
}

export const unknownMiniApp = (): AppError => new AppError('MINIAPP_NOT_FOUND', 'No such mini-app');

export async function lock(tx: Transaction, miniappId: string): Promise<MiniApp> {
  const app = await lockMiniApp(tx, miniappId);
  if (app === undefined) throw unknownMiniApp();
  return app;
}

/** Whether the owner may be given to the app by whoever registers it. */
export async function checkOwner({ ownership }: MiniAppsDependencies, tx: Transaction, owner: Owner | undefined, by: Registrar): Promise<void> {
  if (owner === undefined || !('orgId' in owner)) return;
  if ('developer' in by) await ownership.requireMayRegister(tx, by.developer, owner.orgId);
  else if (!(await ownership.organizationExists(tx, owner.orgId))) throw new AppError('NOT_FOUND', 'No such organization');
}

const byManifest: Actor = { manifest: true };

export async function adopt(deps: MiniAppsDependencies, tx: Transaction, registration: Registration & { readonly miniappId: MiniAppId }): Promise<'created' | 'changed' | 'same'> {
  const known = await lockMiniApp(tx, registration.miniappId);
  if (known === undefined) {
    const draft = draftOf(registration, 'manifest', deps.clock.now());
    await create(deps, tx, draft, byManifest);
    await walk(deps, tx, draft, byManifest, ['submit', 'begin_review', 'approve', 'publish']);
    return 'created';
  }
  const order = semver.compare(registration.version, known.version);
  // A bundle that was released since is not undone by the manifest of an older server.
  const wanted: MiniApp = { ...known, ...registration, version: order < 0 ? known.version : registration.version };
  if (isDeepStrictEqual(wanted, known)) return 'same';
  const changed = { ...wanted, updatedAt: deps.clock.now() };
  const app = order > 0 ? { ...changed, versionCode: await deps.followers.renewed(tx, changed), bundleSha256: undefined } : changed;
  await updateMiniAppDetails(tx, app);
  await deps.audit(tx, { action: 'miniapp.changed', by: byManifest, miniappId: app.miniappId, details: { version: app.version } });
  await announce(deps, tx, app);
  return 'changed';
}
