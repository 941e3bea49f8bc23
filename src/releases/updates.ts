import type { Database, Transaction } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type MiniAppId, type UserId } from '../kernel/ids.ts';
import type { RoomEvents } from '../matrix/port.ts';
import { isRemovable, type MiniApp } from '../miniapps/index.ts';
import type { Bundles } from './bundles.ts';
import { chooseUpdate, updateTypeOf, type Choice, type Having } from './choose-update.ts';
import { entryFor, parseInternalUrl } from './internal-url.ts';
import type { PublicReleaseKey, ReleaseKeys } from './release-keys.ts';
import { manifestType, releaseType, signStatement, type ReleaseStatement } from './statement.ts';
import type { Platform, Version } from './types.ts';
import { listActiveApps, listOfficialApps, noteApplied } from './update-repo.ts';
import { findNewestReleased, listPublished } from './version-repo.ts';

export interface UpdatesDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly events: RoomEvents;
  readonly keys: ReleaseKeys;
  readonly bundles: Pick<Bundles, 'find'>;
  /** In front of `/bundles`. */
  readonly origin: string;
  readonly signatureMs: number;
  /** Notes it with the installation. Returns the version before. @throws AppError APP_NOT_FOUND unless it is installed */
  readonly noteInstalled: (tx: Transaction, userId: UserId, app: MiniApp, version: string) => Promise<string | undefined>;
  /** Tells the app's server. */
  readonly tell: (tx: Transaction, update: { readonly app: MiniApp; readonly userId: UserId; readonly from: string; readonly to: string; readonly at: number }) => Promise<void>;
}

export interface Download {
  readonly url: string;
  readonly sizeBytes: number;
  readonly hash: string;
  readonly signature: string;
}

export interface Update extends Choice {
  readonly app: MiniApp;
  /** Undefined where the app is hosted. */
  readonly download: Download | undefined;
}

export interface Installed extends Having {
  readonly miniappId: string;
}

export interface Bootstrap {
  readonly bootstrapId: string;
  readonly apps: readonly { readonly app: MiniApp; readonly download: Download | undefined }[];
  /** DSSE envelope over the manifest. */
  readonly manifest: string;
  readonly keys: readonly PublicReleaseKey[];
}

export interface Updates {
  /** What there is for these apps, and which of them must not be used any more without there being anything better. */
  check(userId: UserId, platform: Platform, installed: readonly Installed[]): Promise<{ updates: Update[]; revoked: Installed[] }>;
  /** A client has applied an update. The first time its user is told, and the app's server. @throws AppError APP_NOT_FOUND, NOT_FOUND (the version) */
  applied(userId: UserId, miniappId: string, version: string, previous: string | undefined): Promise<{ recorded: boolean }>;
  bootstrap(): Promise<Bootstrap>;
  /** @throws AppError INVALID_REQUEST, APP_NOT_FOUND unless the app is official */
  resolve(url: string): Promise<{ miniappId: MiniAppId; path: string; query: string; entry: string | undefined; download: Download | undefined }>;
}

const dayMs = 24 * 60 * 60_000;
const maxSigned = 5000;

/** Signs a release once a day: a signature that nobody renews runs out, as that of a version that was revoked must. */
function createSigner({ clock, keys, signatureMs }: UpdatesDependencies) {
  const signed = new Map<string, string>();
  const since = (): number => Math.floor(clock.now() / dayMs) * dayMs;
  const lifetime = (from: number) => ({ issued_at: isoTime(from), expires_at: isoTime(since() + signatureMs) });
  return {
    async release(app: MiniApp, version: Version, sizeBytes: number): Promise<string> {
      const key = await keys.signer();
      const name = `${version.versionId} ${key.keyId} ${since()}`;
      const known = signed.get(name);
      if (known !== undefined) return known;
      const { issued_at, expires_at } = lifetime(Math.max(since(), version.releasedAt ?? 0));
      const statement: ReleaseStatement = { miniapp_id: app.miniappId, version: version.version, version_code: version.versionCode, platforms: version.platforms, size_bytes: sizeBytes, sha256: version.bundleSha256!, scopes: version.changes.scopes ?? app.scopes, issued_at, expires_at };
      const envelope = signStatement(releaseType, statement, [key]);
      if (signed.size >= maxSigned) signed.delete(signed.keys().next().value!);
      signed.set(name, envelope);
      return envelope;
    },
    manifest: async (content: object): Promise<string> => signStatement(manifestType, { ...content, ...lifetime(since()) }, await keys.signers()),
  };
}

/** Specification section 16.4, with what a client checks its embedded bundles against. */
const manifestApp = ({ app, download }: Bootstrap['apps'][number]): object => ({
  miniapp_id: app.miniappId,
  name: app.name,
  category: app.category,
  classification: app.classification,
  install_mode: app.installMode,
  removable: isRemovable(app),
  ...(app.iconUrl === undefined ? {} : { icon: app.iconUrl }),
  entry_point: app.entryPoint,
  display_order: app.displayOrder,
  version: app.version,
  version_code: app.versionCode,
  ...(download === undefined ? {} : { hash: download.hash, size_bytes: download.sizeBytes }),
});

export function createUpdates(deps: UpdatesDependencies): Updates {
  const { database, clock, events, bundles, origin, keys } = deps;
  const signer = createSigner(deps);
  const downloadOf = async (app: MiniApp, version: Version | undefined): Promise<Download | undefined> => {
    const bundle = version?.bundleSha256 === undefined ? undefined : await bundles.find(version.bundleSha256);
    if (version === undefined || bundle === undefined) return undefined;
    return { url: `${origin}/bundles/${bundle.sha256}`, sizeBytes: bundle.sizeBytes, hash: `sha256:${bundle.sha256}`, signature: await signer.release(app, version, bundle.sizeBytes) };
  };

  return {
    async check(userId, platform, installed) {
      const ids = installed.map(({ miniappId }) => miniappId);
      const apps = new Map((await listActiveApps(database, ids)).map((app) => [app.miniappId as string, app]));
      const published = Map.groupBy(await listPublished(database, ids), ({ miniappId }) => miniappId as string);
      const updates: Update[] = [];
      const revoked: Installed[] = [];
      for (const having of installed) {
        const app = apps.get(having.miniappId);
        const versions = published.get(having.miniappId) ?? [];
        if (app === undefined) continue;
        const choice = chooseUpdate(having, versions, { userId, platform, isMandatoryApp: app.installMode === 'mandatory' });
        if (choice !== undefined) updates.push({ ...choice, app, download: await downloadOf(app, choice.target) });
        else if (versions.some((one) => one.state === 'revoked' && (having.versionCode === undefined ? one.version === having.version : one.versionCode === having.versionCode))) revoked.push(having);
      }
      return { updates, revoked };
    },
    applied: (userId, miniappId, version, previous) =>
      database.inTransaction(async (tx) => {
        const [app] = await listActiveApps(tx, [miniappId]);
        if (app === undefined) throw new AppError('APP_NOT_FOUND', 'No such mini-app');
        const applied = (await listPublished(tx, [miniappId])).find((one) => one.version === version && one.state === 'released');
        if (applied === undefined) throw new AppError('NOT_FOUND', 'No such version');
        const before = await deps.noteInstalled(tx, userId, app, version);
        const now = clock.now();
        const from = previous ?? before;
        if (!(await noteApplied(tx, userId, app.miniappId, applied.versionCode, now)) || from === undefined || from === version) return { recorded: false };
        events.emit(tx, {
          place: { noticesOf: userId },
          speaker: 'bot',
          type: 'm.tween.miniapp.updated',
          content: { miniapp_id: app.miniappId, previous_version: from, new_version: version, update_type: applied.rollbackOf !== undefined ? 'rollback' : updateTypeOf(from, version), sender: userId, updated_at: isoTime(now) },
        });
        await deps.tell(tx, { app, userId, from, to: version, at: now });
        return { recorded: true };
      }),
    async bootstrap() {
      const official = await listOfficialApps(database);
      const apps = await Promise.all(official.map(async (app) => ({ app, download: await downloadOf(app, await findNewestReleased(database, app.miniappId)) })));
      const publicKeys = await keys.list();
      const lastUpdated = isoTime(Math.max(0, ...official.map(({ updatedAt }) => updatedAt)));
      const manifest = await signer.manifest({ version: '1.0', last_updated: lastUpdated, apps: apps.map(manifestApp), release_keys: publicKeys });
      return { bootstrapId: newId('bootstrap'), apps, manifest, keys: publicKeys };
    },
    async resolve(url) {
      const { miniappId, path, query } = parseInternalUrl(url);
      const [app] = await listActiveApps(database, [miniappId]);
      if (app?.classification !== 'official') throw new AppError('APP_NOT_FOUND', 'No such official mini-app');
      const version = await findNewestReleased(database, miniappId);
      const bundle = version?.bundleSha256 === undefined ? undefined : await bundles.find(version.bundleSha256);
      return { miniappId, path, query, entry: bundle === undefined ? undefined : entryFor(path, bundle.files), download: await downloadOf(app, version) };
    },
  };
}
