import { answer, principalOf, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { isRemovable } from '../miniapps/index.ts';
import type { Platform } from './types.ts';
import type { Download, Installed, Updates } from './updates.ts';

interface CheckBody {
  installed_apps: { miniapp_id: string; current_version: string; current_version_code?: number }[];
  platform: Platform;
}

const downloadBody = ({ url, sizeBytes, hash, signature }: Download): object => ({ url, size_bytes: sizeBytes, hash, signature });
const installedBody = ({ miniappId, version }: Installed): object => ({ miniapp_id: miniappId, version });

/** Specification section 16.8. */
export function updateRoutes({ updates }: { readonly updates: Updates }): Routes {
  return {
    checkUpdates: async (request) => {
      const { userId } = principalOf(request, 'session');
      const { installed_apps: apps, platform } = request.body as CheckBody;
      const { updates: found, revoked } = await updates.check(userId, platform, apps.map((app) => ({ miniappId: app.miniapp_id, version: app.current_version, versionCode: app.current_version_code })));
      const current = new Map(apps.map((app) => [app.miniapp_id, app.current_version]));
      return answer({
        updates_available: found.map(({ app, target, mandatory, updateType, download }) => ({
          miniapp_id: app.miniappId,
          current_version: current.get(app.miniappId),
          new_version: target.version,
          new_version_code: target.versionCode,
          update_type: updateType,
          mandatory,
          release_date: isoTime(target.releasedAt ?? target.changedAt),
          release_notes: target.releaseNotes,
          ...(download === undefined ? { entry_point: app.entryPoint } : { download: downloadBody(download) }),
        })),
        revoked: revoked.map(installedBody),
      });
    },
    reportAppliedUpdate: async (request) => {
      const { miniapp_id: miniappId, version, previous_version: previous } = request.body as { miniapp_id: string; version: string; previous_version?: string };
      return answer(await updates.applied(principalOf(request, 'session').userId, miniappId, version, previous));
    },
    bootstrapClient: async (request) => {
      principalOf(request, 'matrix');
      const { bootstrapId, apps, manifest, keys } = await updates.bootstrap();
      return answer({
        bootstrap_id: bootstrapId,
        official_apps: apps.map(({ app, download }) => ({
          miniapp_id: app.miniappId,
          name: app.name,
          version: app.version,
          version_code: app.versionCode,
          install_mode: app.installMode,
          removable: isRemovable(app),
          entry_point: app.entryPoint,
          ...(download === undefined ? {} : { bundle_url: download.url, bundle_hash: download.hash, size_bytes: download.sizeBytes, signature: download.signature }),
          credentials: { client_id: app.miniappId },
        })),
        manifest,
        release_keys: keys,
      });
    },
    resolveInternalUrl: async (request) => {
      const { miniappId, path, query, entry, download } = await updates.resolve(request.query.url as string);
      return answer({ miniapp_id: miniappId, path, query, ...(entry === undefined ? {} : { entry }), ...(download === undefined ? {} : { bundle: downloadBody(download) }) });
    },
  };
}
