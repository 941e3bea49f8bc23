import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import type { Database } from '../database/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { isRoomId, type MiniAppId } from '../kernel/ids.ts';
import { isPreinstalled, isRemovable, type MiniApp, type MiniApps } from '../miniapps/index.ts';
import type { Installs } from './installs.ts';
import { browse, type BrowseFilter } from './repo.ts';

/** A row of the store (specification section 16.6.1); `rating.average` is 0 while nobody has rated. */
const storeRow = (app: MiniApp, installed: boolean): object => ({
  miniapp_id: app.miniappId,
  name: app.name,
  description: app.description,
  classification: app.classification,
  category: app.category,
  developer: app.developer,
  rating: { average: 0, count: 0 },
  install_count: app.installCount,
  ...(app.iconUrl === undefined ? {} : { icon_url: app.iconUrl }),
  marketing: app.marketing,
  version: app.version,
  entry_point: app.entryPoint,
  install_mode: app.installMode,
  removable: isRemovable(app),
  preinstalled: isPreinstalled(app),
  installed,
});

export interface StoreDependencies {
  readonly database: Database;
  readonly installs: Installs;
  readonly miniapps: MiniApps;
}

export function storeRoutes({ database, installs, miniapps }: StoreDependencies): Routes {
  const installedFor = async ({ principal }: ApiRequest): Promise<ReadonlySet<MiniAppId>> =>
    principal.kind === 'session' ? new Set((await installs.list(principal.userId)).map(({ app }) => app.miniappId)) : new Set();
  const idIn = (request: ApiRequest): string => request.path.miniapp_id as string;

  return {
    browseStore: async (request) => {
      const filter = request.query as unknown as BrowseFilter;
      const { apps, total } = await browse(database, filter);
      const installed = await installedFor(request);
      const { limit, offset } = filter;
      return answer({ apps: apps.map((app) => storeRow(app, installed.has(app.miniappId))), pagination: { total, limit, offset, has_more: offset + apps.length < total } });
    },
    getStoreApp: async (request) => {
      const app = await miniapps.getActive(idIn(request));
      const row = storeRow(app, (await installedFor(request)).has(app.miniappId));
      return answer({ ...row, apps: [row] });
    },
    installApp: async (request) => {
      const { userId } = principalOf(request, 'session');
      const { room_id: roomId } = request.body as { room_id?: string };
      if (roomId !== undefined && !isRoomId(roomId)) throw invalidField('room_id', 'is not a Matrix room id');
      const { miniappId, installId, isNew } = await installs.install(userId, idIn(request), roomId);
      return answer({ miniapp_id: miniappId, status: isNew ? 'installing' : 'installed', install_id: installId });
    },
    uninstallApp: async (request) => {
      await installs.uninstall(principalOf(request, 'session').userId, idIn(request));
      return answer({ miniapp_id: idIn(request), status: 'uninstalled' });
    },
    listInstalled: async (request) => {
      const apps = await installs.list(principalOf(request, 'session').userId);
      return answer({
        apps: apps.map(({ app, version, installId, installedAt }) => ({
          ...storeRow(app, true),
          status: app.status,
          installed_version: version,
          ...(installId === undefined ? {} : { install_id: installId }),
          ...(installedAt === undefined ? {} : { installed_at: isoTime(installedAt) }),
        })),
      });
    },
  };
}
