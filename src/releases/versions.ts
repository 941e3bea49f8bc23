import semver from 'semver';
import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId } from '../kernel/ids.ts';
import type { Actor, MiniApp, MiniAppAudit, MiniApps, Reviewed } from '../miniapps/index.ts';
import { blankVersion, nameOfActor } from './followers.ts';
import type { Lifecycle } from './lifecycle.ts';
import { isPending } from './machine.ts';
import type { Platform, Version } from './types.ts';
import { findNewest, findNewestReleased, findVersion, insertVersion, listVersions, setRollout } from './version-repo.ts';

/** What a developer says of a new version. */
export interface NewVersion {
  readonly version: string;
  /** The next one when absent. */
  readonly versionCode?: number;
  readonly changes: Reviewed;
  readonly platforms: readonly Platform[];
  readonly scopeJustifications: Readonly<Record<string, string>>;
  readonly releaseNotes: string;
  readonly mandatory: boolean;
  readonly rolloutPercent: number;
  readonly bundleSha256?: string;
  /** Not submitted yet. */
  readonly draft: boolean;
}

export interface VersionsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly miniapps: Pick<MiniApps, 'withLocked'>;
  readonly lifecycle: Lifecycle;
  readonly audit: (tx: Transaction, entry: MiniAppAudit) => Promise<void>;
  /** The bytes are in the store: confirms it in the transaction that refers to them. @throws AppError REQUEST_IN_PROGRESS when they are going just now */
  readonly confirmBundle: (tx: Transaction, sha256: string) => Promise<void>;
}

export interface Versions {
  /** Whether the version could be added now. @throws AppError as `add` does */
  check(miniappId: string, version: NewVersion): Promise<void>;
  /**
   * Adds a version; that of an active app is submitted unless it is a draft, an app that is not submitted is submitted with it later.
   * @throws AppError MINIAPP_NOT_FOUND, INVALID_STATE_TRANSITION, ALREADY_EXISTS (the version), INVALID_REQUEST (the code or version does not rise)
   */
  add(miniappId: string, by: Actor, version: NewVersion): Promise<Version>;
  /** @throws AppError MINIAPP_NOT_FOUND, NOT_FOUND, INVALID_STATE_TRANSITION unless it is released */
  rollOut(miniappId: string, by: Actor, versionCode: number, percent: number): Promise<Version>;
  /** Publishes the bytes and terms of an earlier version under a higher code, at once: they were reviewed. @throws AppError as `rollOut` */
  rollBack(miniappId: string, by: Actor, versionCode: number, reason: string | undefined): Promise<Version>;
  /** Takes a version out of users' hands; was it the newest, the one before it is published again. @throws AppError as `rollOut` */
  revoke(miniappId: string, by: Actor, versionCode: number, reason: string): Promise<{ revoked: Version; successor: Version | undefined }>;
  list(miniappId: string, limit: number, before?: number): Promise<Version[]>;
}

const versionable: readonly MiniApp['status'][] = ['draft', 'rejected', 'active'];
const refused = (state: string, command: string, message: string): AppError => new AppError('INVALID_STATE_TRANSITION', message, { details: { state, command } });

/** @throws AppError INVALID_STATE_TRANSITION, INVALID_REQUEST */
async function checkNew(tx: Transaction, app: MiniApp, wanted: NewVersion, newest: Version | undefined): Promise<number> {
  if (!versionable.includes(app.status)) throw refused(app.status, 'add_version', `Cannot add a version while ${app.status.replaceAll('_', ' ')}`);
  if (newest !== undefined && isPending(newest.state)) throw refused(newest.state, 'add_version', `Version ${newest.version} is ${newest.state.replaceAll('_', ' ')}: withdraw or publish it first`);
  const code = wanted.versionCode ?? (newest?.versionCode ?? 0) + 1;
  if (newest !== undefined && code <= newest.versionCode) throw invalidField('version_code', `must be higher than ${newest.versionCode}`);
  if (app.status === 'active' && semver.compare(wanted.version, app.version) <= 0) throw invalidField('version', `must be higher than ${app.version}`);
  if (wanted.rolloutPercent < 100 && wanted.bundleSha256 === undefined) throw invalidField('rollout_percent', 'only a bundle can be rolled out in steps: where an app is hosted, everybody gets the same');
  if ((await listVersions(tx, app.miniappId, 1000)).some(({ version }) => version === wanted.version)) throw new AppError('ALREADY_EXISTS', `There is a version ${wanted.version} already`);
  return code;
}

async function getReleased(tx: Transaction, app: MiniApp, versionCode: number, command: string): Promise<Version> {
  const version = await findVersion(tx, app.miniappId, versionCode);
  if (version === undefined) throw new AppError('NOT_FOUND', 'No such version');
  if (version.state !== 'released') throw refused(version.state, command, `Cannot ${command.replaceAll('_', ' ')} while ${version.state.replaceAll('_', ' ')}`);
  return version;
}

/** Old bytes and terms under a new code; released through the machine like every other version. */
async function republish({ clock, lifecycle, audit }: VersionsDependencies, tx: Transaction, app: MiniApp, old: Version, by: Actor, reason: string | undefined): Promise<Version> {
  const newest = (await findNewest(tx, app.miniappId))!;
  if (isPending(newest.state)) throw refused(newest.state, 'roll_back', `Version ${newest.version} is ${newest.state.replaceAll('_', ' ')}: withdraw or publish it first`);
  const now = clock.now();
  const versionCode = newest.versionCode + 1;
  const label = `${semver.parse(old.version)!.version}+rollback.${versionCode}`;
  const version: Version = { ...old, versionId: newId('ver'), versionCode, version: label, state: 'approved', mandatory: true, rolloutPercent: 100, rollbackOf: old.versionCode, reason, releaseNotes: `Back to ${old.version}`, createdBy: nameOfActor(by), createdAt: now, changedAt: now, releasedAt: undefined };
  if (!(await insertVersion(tx, version))) throw new AppError('INVALID_STATE_TRANSITION', 'The mini-app has changed meanwhile');
  await audit(tx, { action: 'miniapp.version_added', by, miniappId: app.miniappId, details: { version: label, version_code: versionCode, rollback_of: old.versionCode } });
  return (await lifecycle.stepIn(tx, app, version, by, 'publish', reason)).version;
}

const requireActive = (app: MiniApp, command: string): void => {
  if (app.status !== 'active') throw refused(app.status, command, `Cannot ${command.replaceAll('_', ' ')} while ${app.status.replaceAll('_', ' ')}`);
};

export function createVersions(deps: VersionsDependencies): Versions {
  const { database, clock, miniapps, lifecycle, audit } = deps;
  return {
    check: (miniappId, wanted) => miniapps.withLocked(miniappId, async (tx, app) => void (await checkNew(tx, app, wanted, await findNewest(tx, miniappId)))),
    add: (miniappId, by, wanted) =>
      miniapps.withLocked(miniappId, async (tx, app) => {
        const newest = await findNewest(tx, miniappId);
        const versionCode = await checkNew(tx, app, wanted, newest);
        if (newest !== undefined && (newest.state === 'draft' || newest.state === 'rejected')) await lifecycle.stepIn(tx, app, newest, by, 'withdraw', `superseded by ${wanted.version}`);
        const { draft, bundleSha256, versionCode: _code, ...said } = wanted;
        const version: Version = { ...blankVersion(app, by, clock.now()), ...said, versionCode, bundleSha256 };
        if (bundleSha256 !== undefined) await deps.confirmBundle(tx, bundleSha256);
        if (!(await insertVersion(tx, version))) throw new AppError('ALREADY_EXISTS', `There is a version ${wanted.version} already`);
        await audit(tx, { action: 'miniapp.version_added', by, miniappId, details: { version: version.version, version_code: versionCode, ...(bundleSha256 === undefined ? {} : { sha256: bundleSha256 }), changes: Object.keys(wanted.changes) } });
        return app.status === 'active' && !draft ? (await lifecycle.stepIn(tx, app, version, by, 'submit')).version : version;
      }),
    rollOut: (miniappId, by, versionCode, percent) =>
      miniapps.withLocked(miniappId, async (tx, app) => {
        const version = await getReleased(tx, app, versionCode, 'roll_out');
        if (version.bundleSha256 === undefined) throw invalidField('percent', 'only a bundle can be rolled out in steps: where an app is hosted, everybody gets the same');
        await setRollout(tx, version.versionId, percent, clock.now());
        await audit(tx, { action: 'miniapp.rollout', by, miniappId, details: { version: version.version, from: version.rolloutPercent, to: percent } });
        return { ...version, rolloutPercent: percent, changedAt: clock.now() };
      }),
    rollBack: (miniappId, by, versionCode, reason) =>
      miniapps.withLocked(miniappId, async (tx, app) => {
        requireActive(app, 'roll_back');
        const version = await getReleased(tx, app, versionCode, 'roll_back');
        if (version.versionCode === app.versionCode) throw refused(version.state, 'roll_back', 'It is the released version already');
        return republish(deps, tx, app, version, by, reason);
      }),
    revoke: (miniappId, by, versionCode, reason) =>
      miniapps.withLocked(miniappId, async (tx, app) => {
        const version = await getReleased(tx, app, versionCode, 'revoke');
        const { version: revoked } = await lifecycle.stepIn(tx, app, version, by, 'revoke', reason);
        const before = app.status === 'active' && version.versionCode === app.versionCode ? await findNewestReleased(tx, miniappId) : undefined;
        return { revoked, successor: before === undefined ? undefined : await republish(deps, tx, app, before, by, `${version.version} was revoked`) };
      }),
    list: (miniappId, limit, before) => listVersions(database, miniappId, limit, before),
  };
}
