import type { Transaction } from '../database/index.ts';
import { advance } from '../kernel/advance.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId } from '../kernel/ids.ts';
import type { Actor, AppStep, Followers, MiniApp, Reviewed } from '../miniapps/index.ts';
import { isCandidate, versionCommands, versionMachine, type VersionCommand, type VersionState } from './machine.ts';
import type { Version } from './types.ts';
import { findNewest, insertVersion, moveVersion } from './version-repo.ts';

/** One step of a version's life. */
export interface VersionStep {
  readonly app: MiniApp;
  /** As it is after the step. */
  readonly version: Version;
  readonly command: VersionCommand;
  readonly from: VersionState;
  readonly by: Actor;
  readonly reason: string | undefined;
}

export interface StepDependencies {
  readonly clock: Clock;
  /** The review of the version, which goes with it in the same transaction. */
  readonly onStep: (tx: Transaction, step: VersionStep) => Promise<void>;
}

export const nameOfActor = (by: Actor): string => ('admin' in by ? `admin:${by.admin}` : 'developer' in by ? by.developer : 'manifest' in by ? 'manifest' : by.system);

const termsOf = ({ name, entryPoint, redirectUris, webhookUrl, scopes }: MiniApp): Reviewed => ({ name, entryPoint, redirectUris, ...(webhookUrl === undefined ? {} : { webhookUrl }), scopes });

/** @throws AppError INVALID_STATE_TRANSITION */
export async function stepVersion({ clock, onStep }: StepDependencies, tx: Transaction, app: MiniApp, version: Version, by: Actor, command: VersionCommand, reason?: string): Promise<Version> {
  const now = clock.now();
  const state = advance<VersionState>(versionMachine, version.state, command);
  // A release keeps all of its terms, so that they can be gone back to.
  const changes = command === 'publish' ? { ...termsOf(app), ...version.changes } : version.changes;
  if (!(await moveVersion(tx, version, state, { now, reason, changes }))) throw new AppError('INVALID_STATE_TRANSITION', 'The version has changed meanwhile');
  const next: Version = { ...version, state, changes, reason, changedAt: now, releasedAt: state === 'released' ? now : version.releasedAt };
  await onStep(tx, { app, version: next, command, from: version.state, by, reason });
  return next;
}

/** The app as the release of this version makes it. */
export const releasedApp = (app: MiniApp, version: Version, now: number): MiniApp => ({ ...app, ...version.changes, version: version.version, versionCode: version.versionCode, bundleSha256: version.bundleSha256, updatedAt: now });

export const blankVersion = (app: MiniApp, by: Actor, now: number): Version => ({
  versionId: newId('ver'),
  miniappId: app.miniappId,
  versionCode: app.versionCode,
  version: app.version,
  state: 'draft',
  bundleSha256: undefined,
  changes: {},
  platforms: [],
  scopeJustifications: {},
  releaseNotes: '',
  mandatory: false,
  rolloutPercent: 100,
  rollbackOf: undefined,
  reason: undefined,
  createdBy: nameOfActor(by),
  createdAt: now,
  changedAt: now,
  releasedAt: undefined,
});

/** An app's newest version goes with the app as long as the app is not active; later versions have a life of their own. */
export function createFollowers(deps: StepDependencies): Followers {
  const { clock } = deps;
  return {
    async registered(tx, app, by, scopeJustifications) {
      await insertVersion(tx, { ...blankVersion(app, by, clock.now()), scopeJustifications });
    },
    async moved(tx, step: AppStep) {
      const { app, command, by, reason } = step;
      const version = await findNewest(tx, app.miniappId);
      if (version === undefined) return app;
      if (command === 'retire') {
        const open: readonly VersionState[] = ['draft', 'submitted', 'under_review', 'approved', 'rejected'];
        if (open.includes(version.state)) await stepVersion(deps, tx, app, version, by, 'withdraw', 'the mini-app was retired');
        return app;
      }
      if (!versionCommands.includes(command)) return app;
      const next = await stepVersion(deps, tx, app, version, by, command as VersionCommand, reason);
      return command === 'publish' ? releasedApp(app, next, app.updatedAt) : app;
    },
    async renewed(tx, app) {
      const now = clock.now();
      const newest = await findNewest(tx, app.miniappId);
      if (newest !== undefined && isCandidate(newest.state) && newest.state !== 'withdrawn') await stepVersion(deps, tx, app, newest, { manifest: true }, 'withdraw', 'the manifest has a newer version');
      const versionCode = (newest?.versionCode ?? 0) + 1;
      const version: Version = { ...blankVersion({ ...app, versionCode }, { manifest: true }, now), state: 'released', releasedAt: now, releaseNotes: `From the manifest of ${isoTime(now).slice(0, 10)}` };
      // A version of that name which never came into users' hands must not keep a server from starting.
      if (!(await insertVersion(tx, version))) await insertVersion(tx, { ...version, version: `${app.version}+manifest.${versionCode}` });
      return versionCode;
    },
  };
}
