import type { Transaction } from '../database/index.ts';
import { announce, type Actor, type MiniApp, type MiniAppAudit, type MiniAppCommand, type MiniApps, type MiniAppStatus, type Showing } from '../miniapps/index.ts';
import { releasedApp, stepVersion, type StepDependencies, type VersionStep } from './followers.ts';
import { isCandidate, versionCommands, type VersionCommand, type VersionState } from './machine.ts';
import type { Version } from './types.ts';
import { findNewest } from './version-repo.ts';

export interface LifecycleDependencies extends StepDependencies {
  readonly miniapps: Pick<MiniApps, 'withLocked' | 'walk' | 'release'>;
  readonly announce: (tx: Transaction, app: MiniApp) => Promise<void>;
  readonly audit: (tx: Transaction, entry: MiniAppAudit) => Promise<void>;
  /** Tells the app's server of a step of a version that does not move the app. */
  readonly tell: (tx: Transaction, step: VersionStep) => Promise<void>;
}

export interface Outcome {
  readonly app: MiniApp;
  /** The version that the commands were about, of an app that is active. */
  readonly version: Version | undefined;
}

/** Which commands, by where that stands which they are about. */
export type CommandsFor = (status: MiniAppStatus | VersionState) => readonly MiniAppCommand[];

export interface Lifecycle {
  /**
   * Takes the submission of an app through commands: the app itself until it is active, from then on its newest version, which is
   * released when it is published. @throws AppError MINIAPP_NOT_FOUND, INVALID_STATE_TRANSITION
   */
  act(miniappId: string, by: Actor, commandsFor: CommandsFor, reason?: string): Promise<Outcome>;
  /** The same in a transaction that has locked the app. */
  actIn(tx: Transaction, app: MiniApp, by: Actor, commandsFor: CommandsFor, reason?: string): Promise<Outcome>;
  /** One step of a version of an active app, and what it makes of the app. */
  stepIn(tx: Transaction, app: MiniApp, version: Version, by: Actor, command: VersionCommand, reason?: string): Promise<{ app: MiniApp; version: Version }>;
}

/** What shows an app in the rooms. */
export const announcer = (deps: Showing) => (tx: Transaction, app: MiniApp): Promise<void> => announce(deps, tx, app);

export function createLifecycle(deps: LifecycleDependencies): Lifecycle {
  const { clock, miniapps } = deps;
  const stepIn: Lifecycle['stepIn'] = async (tx, app, version, by, command, reason) => {
    const next = await stepVersion(deps, tx, app, version, by, command, reason);
    const step: VersionStep = { app, version: next, command, from: version.state, by, reason };
    await deps.audit(tx, { action: 'miniapp.version_moved', by, miniappId: app.miniappId, details: { version: next.version, version_code: next.versionCode, command, from: version.state, to: next.state, ...(reason === undefined ? {} : { reason }) } });
    await deps.tell(tx, step);
    if (command !== 'publish') return { app, version: next };
    const released = await miniapps.release(tx, app, releasedApp(app, next, clock.now()), by);
    await deps.announce(tx, released);
    return { app: released, version: next };
  };
  const actIn: Lifecycle['actIn'] = async (tx, start, by, commandsFor, reason) => {
    const newest = start.status === 'active' ? await findNewest(tx, start.miniappId) : undefined;
    const commands = commandsFor(newest !== undefined && isCandidate(newest.state) ? newest.state : start.status);
    if (newest === undefined || !isCandidate(newest.state) || !commands.every((command) => versionCommands.includes(command))) {
      return { app: await miniapps.walk(tx, start, by, commands, reason), version: undefined };
    }
    let [app, version] = [start, newest];
    for (const command of commands) ({ app, version } = await stepIn(tx, app, version, by, command as VersionCommand, reason));
    return { app, version };
  };
  return {
    act: (miniappId, by, commandsFor, reason) => miniapps.withLocked(miniappId, (tx, app) => actIn(tx, app, by, commandsFor, reason)),
    actIn,
    stepIn,
  };
}
