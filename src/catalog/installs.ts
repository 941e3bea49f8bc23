import type { Database, Transaction } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type MiniAppId, type RoomId, type UserId } from '../kernel/ids.ts';
import type { Place, RoomEvents, Rooms } from '../matrix/port.ts';
import type { Notices } from '../notices/index.ts';
import { appStateEvent, isPreinstalled, isRemovable, type MiniApp, type MiniApps } from '../miniapps/index.ts';
import { addToInstallCount, findInstallation, listInstallations, listMiniApps, listPreinstalled, saveInstallation } from './repo.ts';

export interface InstallsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly events: RoomEvents;
  readonly rooms: Rooms;
  readonly miniapps: MiniApps;
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

export interface Installs {
  /**
   * Installs an app for a user; doing it again changes nothing. It grants no scope. `roomId` hears of it besides the user's notice room.
   * @throws AppError APP_NOT_FOUND, ROOM_NOT_ALLOWED, SERVICE_UNAVAILABLE (the room can't be checked just now)
   */
  install(userId: UserId, miniappId: string, roomId: RoomId | undefined): Promise<{ miniappId: MiniAppId; installId: string; isNew: boolean }>;
  /** @throws AppError APP_NOT_FOUND (also when it is not installed), APP_NOT_REMOVABLE */
  uninstall(userId: UserId, miniappId: string): Promise<void>;
  /** Apps that are preinstalled and not removed, and apps that the user installed. */
  list(userId: UserId): Promise<InstalledApp[]>;
}

const hasInstalled = (app: MiniApp, state: 'installed' | 'removed' | undefined): boolean => state === 'installed' || (state === undefined && isPreinstalled(app));

export function createInstalls(deps: InstallsDependencies): Installs {
  const { database, clock, events, rooms, miniapps, notices, cleanUp } = deps;

  const announce = (tx: Transaction, places: readonly Place[], type: string, content: Record<string, unknown>): void => {
    for (const place of places) events.emit(tx, { place, speaker: 'bot', type, content });
  };

  return {
    async install(userId, miniappId, roomId) {
      await miniapps.getActive(miniappId);
      if (roomId !== undefined) await rooms.requireJoined(roomId, userId);
      return database.inTransaction(async (tx) => {
        const app = await miniapps.getActive(miniappId, tx);
        const installId = newId('install');
        const now = clock.now();
        if (!(await saveInstallation(tx, userId, { installId, miniappId: app.miniappId, state: 'installed', version: app.version, changedAt: now }, roomId))) {
          // Read after the write was refused: only now is what another request has just written to be seen.
          const known = await findInstallation(tx, userId, app.miniappId);
          return { miniappId: app.miniappId, installId: known?.installId ?? installId, isNew: false };
        }
        await addToInstallCount(tx, app.miniappId, 1);
        notices.publish(tx, { userId, kind: 'miniapp.installed', audience: app.miniappId, body: { miniapp_id: app.miniappId, version: app.version } });
        const places: Place[] = [{ noticesOf: userId }, ...(roomId === undefined ? [] : [{ room: roomId }])];
        announce(tx, places, 'm.tween.miniapp.installed', {
          miniapp_id: app.miniappId,
          name: app.name,
          version: app.version,
          classification: app.classification,
          sender: userId,
          install_id: installId,
          installed_at: isoTime(now),
        });
        if (roomId !== undefined) events.emit(tx, appStateEvent(app, { room: roomId }));
        return { miniappId: app.miniappId, installId, isNew: true };
      });
    },

    uninstall: (userId, miniappId) =>
      database.inTransaction(async (tx) => {
        const app = await miniapps.find(miniappId, tx);
        const known = app === undefined ? undefined : await findInstallation(tx, userId, app.miniappId);
        if (app === undefined || !hasInstalled(app, known?.state)) throw new AppError('APP_NOT_FOUND', 'This mini-app is not installed');
        if (!isRemovable(app)) throw new AppError('APP_NOT_REMOVABLE', 'This system app cannot be removed');
        const now = clock.now();
        const installation = { installId: known?.installId ?? newId('install'), miniappId: app.miniappId, state: 'removed', version: app.version, changedAt: now } as const;
        if (!(await saveInstallation(tx, userId, installation, undefined))) return;
        if (known !== undefined) await addToInstallCount(tx, app.miniappId, -1);
        await cleanUp(tx, { userId, miniappId: app.miniappId });
        notices.publish(tx, { userId, kind: 'miniapp.uninstalled', audience: app.miniappId, body: { miniapp_id: app.miniappId, version: app.version } });
        announce(tx, [{ noticesOf: userId }], 'm.tween.miniapp.uninstalled', {
          miniapp_id: app.miniappId,
          sender: userId,
          uninstalled_at: isoTime(now),
          reason: 'user_initiated',
          data_cleanup: { storage_cleared: true, permissions_revoked: true },
        });
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
