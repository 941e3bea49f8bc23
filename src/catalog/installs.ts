import type { Database, Queryable, Transaction } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type MiniAppId, type RoomId, type UserId } from '../kernel/ids.ts';
import type { Place, RoomEvents, Rooms } from '../matrix/port.ts';
import type { Notices } from '../notices/index.ts';
import { appStateEvent, isPreinstalled, isRemovable, type MiniApp, type MiniApps } from '../miniapps/index.ts';
import { addRoomInstallation, addToInstallCount, deleteLaunchSessions, findInstallation, listInstallations, listMiniApps, listPreinstalled, lockInstallation, saveInstallation, takeRoomInstallations } from './repo.ts';
import type { Usage } from './usage.ts';
import { requireVisible } from './visibility.ts';
import { addWidget, assertWidget, mayNotAddWidgets, removeWidget, widgetType } from './widgets.ts';

export interface InstallsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly events: RoomEvents;
  readonly rooms: Rooms;
  readonly miniapps: MiniApps;
  readonly usage: Usage;
  /** Tells the mini-app's server. */
  readonly notify: (tx: Transaction, miniappId: MiniAppId, event: 'app.installed' | 'app.uninstalled', data: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly notices: Pick<Notices, 'publish'>;
  /** What else goes when a user removes an app: tokens, granted scopes, stored data. In the same transaction. */
  readonly cleanUp: (tx: Transaction, removed: { readonly userId: UserId; readonly miniappId: MiniAppId }) => Promise<void>;
}

export interface InstalledApp {
  readonly app: MiniApp;
  readonly version: string;
  readonly installId: string | undefined;
  readonly installedAt: number | undefined;
}

/** Where an app is installed besides for the user. */
export interface InstallPlace {
  readonly roomId: RoomId;
  /** Shown in the room to clients that know widgets but no mini-apps. */
  readonly widget: boolean;
}

export interface Installs {
  /**
   * Installs an app for a user, and into a room where one is named; doing it again changes nothing. It grants no scope.
   * @throws AppError APP_NOT_FOUND, ROOM_NOT_ALLOWED, INSUFFICIENT_PERMISSIONS (widgets may not be added there), INVALID_REQUEST
   *   (an app that can't be a widget), SERVICE_UNAVAILABLE (the room can't be checked just now)
   */
  install(userId: UserId, miniappId: string, place: InstallPlace | undefined): Promise<{ miniappId: MiniAppId; installId: string; isNew: boolean }>;
  /** @throws AppError APP_NOT_FOUND (also when it is not installed), APP_NOT_REMOVABLE */
  uninstall(userId: UserId, miniappId: string): Promise<void>;
  /** Apps that are preinstalled and not removed, and apps that the user installed. */
  list(userId: UserId): Promise<InstalledApp[]>;
}

const hasInstalled = (app: MiniApp, state: 'installed' | 'removed' | undefined): boolean => state === 'installed' || (state === undefined && isPreinstalled(app));

export const isInstalled = async (db: Queryable, userId: UserId, app: MiniApp): Promise<boolean> => hasInstalled(app, (await findInstallation(db, userId, app.miniappId))?.state);

/** What the events of an app that is installed say. */
const installedContent = (app: MiniApp, userId: UserId, installId: string, now: number): Record<string, unknown> => ({
  miniapp_id: app.miniappId,
  name: app.name,
  version: app.version,
  classification: app.classification,
  sender: userId,
  install_id: installId,
  installed_at: isoTime(now),
});

/** Whether the user may have the app put into the room (decision D22), and as a widget. */
async function checkPlace({ rooms }: InstallsDependencies, userId: UserId, app: MiniApp, { roomId, widget }: InstallPlace): Promise<void> {
  await rooms.requireJoined(roomId, userId);
  if (!widget) return;
  assertWidget(app);
  // The bot's power is lent to those only who have as much themselves.
  if (!(await rooms.maySetState(roomId, userId, widgetType))) throw mayNotAddWidgets();
}

/** Returns the install id, and whether the user had not installed the app. */
async function writeInstallation(deps: InstallsDependencies, tx: Transaction, userId: UserId, app: MiniApp, place: InstallPlace | undefined): Promise<{ installId: string; isNew: boolean }> {
  const { events, usage, notices, notify, clock } = deps;
  const installId = newId('install');
  const now = clock.now();
  if (!(await saveInstallation(tx, userId, { installId, miniappId: app.miniappId, state: 'installed', version: app.version, changedAt: now }, place?.roomId))) {
    // Read after the write was refused: only now is what another request has just written to be seen.
    const known = await findInstallation(tx, userId, app.miniappId);
    return { installId: known?.installId ?? installId, isNew: false };
  }
  await addToInstallCount(tx, app.miniappId, 1);
  await usage.installed(tx, app.miniappId, userId);
  events.emit(tx, { place: { noticesOf: userId }, speaker: 'bot', type: 'm.tween.miniapp.installed', content: installedContent(app, userId, installId, now) });
  notices.publish(tx, { userId, kind: 'miniapp.installed', audience: app.miniappId, body: { miniapp_id: app.miniappId, version: app.version } });
  await notify(tx, app.miniappId, 'app.installed', { user_id: userId, miniapp_id: app.miniappId, install_id: installId, version: app.version, ...(place === undefined ? {} : { room_id: place.roomId }), timestamp: isoTime(now) });
  return { installId, isNew: true };
}

export function createInstalls(deps: InstallsDependencies): Installs {
  const { database, clock, events, miniapps, usage, notices, notify, cleanUp } = deps;
  return {
    async install(userId, miniappId, place) {
      const visible = await requireVisible(miniapps, userId, miniappId);
      if (place !== undefined) await checkPlace(deps, userId, visible.app, place);
      return database.inTransaction(async (tx) => {
        const app = await visible.again(tx);
        const { installId, isNew } = await writeInstallation(deps, tx, userId, app, place);
        if (place === undefined) return { miniappId: app.miniappId, installId, isNew };
        const { roomId, widget } = place;
        const added = await addRoomInstallation(tx, userId, app.miniappId, roomId, widget);
        if (added.isNew) {
          events.emit(tx, { place: { room: roomId }, speaker: 'bot', type: 'm.tween.miniapp.installed', content: installedContent(app, userId, installId, clock.now()) });
          events.emit(tx, appStateEvent(app, { room: roomId }));
        }
        if (added.isNewWidget) events.emit(tx, addWidget(app, roomId, userId));
        return { miniappId: app.miniappId, installId, isNew };
      });
    },

    uninstall: (userId, miniappId) =>
      database.inTransaction(async (tx) => {
        const app = await miniapps.find(miniappId, tx);
        const known = app === undefined ? undefined : await lockInstallation(tx, userId, app.miniappId);
        if (app === undefined || !hasInstalled(app, known?.state)) throw new AppError('APP_NOT_FOUND', 'This mini-app is not installed');
        if (!isRemovable(app)) throw new AppError('APP_NOT_REMOVABLE', 'This system app cannot be removed');
        const now = clock.now();
        const installation = { installId: known?.installId ?? newId('install'), miniappId: app.miniappId, state: 'removed', version: app.version, changedAt: now } as const;
        if (!(await saveInstallation(tx, userId, installation, undefined))) return;
        if (known !== undefined) await addToInstallCount(tx, app.miniappId, -1);
        await usage.removed(tx, app.miniappId, userId);
        const rooms = await takeRoomInstallations(tx, userId, app.miniappId);
        await deleteLaunchSessions(tx, userId, app.miniappId);
        await cleanUp(tx, { userId, miniappId: app.miniappId });
        const content = { miniapp_id: app.miniappId, sender: userId, uninstalled_at: isoTime(now), reason: 'user_initiated', data_cleanup: { storage_cleared: true, permissions_revoked: true } };
        const places: Place[] = [{ noticesOf: userId }, ...rooms.map(({ roomId }) => ({ room: roomId }))];
        for (const place of places) events.emit(tx, { place, speaker: 'bot', type: 'm.tween.miniapp.uninstalled', content });
        for (const { roomId, lastWidget } of rooms) if (lastWidget) events.emit(tx, removeWidget(app, roomId));
        await notify(tx, app.miniappId, 'app.uninstalled', { user_id: userId, miniapp_id: app.miniappId, install_id: installation.installId, reason: 'user_initiated', timestamp: isoTime(now) });
        notices.publish(tx, { userId, kind: 'miniapp.uninstalled', audience: app.miniappId, body: { miniapp_id: app.miniappId, version: app.version } });
      }),

    async list(userId) {
      const installations = await listInstallations(database, userId);
      const preinstalled = await listPreinstalled(database);
      const chosen = [...installations.values()].filter(({ state, miniappId }) => state === 'installed' && !preinstalled.some((app) => app.miniappId === miniappId));
      const apps = [...preinstalled.filter((app) => installations.get(app.miniappId)?.state !== 'removed'), ...(await listMiniApps(database, chosen.map(({ miniappId }) => miniappId)))];
      return apps
        .map((app) => {
          const installation = installations.get(app.miniappId);
          return { app, version: installation?.version ?? app.version, installId: installation?.installId, installedAt: installation?.changedAt };
        })
        .sort((a, b) => a.app.displayOrder - b.app.displayOrder || a.app.name.localeCompare(b.app.name));
    },
  };
}
