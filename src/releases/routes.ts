import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { assertOrdinaryScopes, internalForOfficial, statusBody, type MiniApp, type MiniAppCommand, type MiniApps, type Registrar, type Reviewed } from '../miniapps/index.ts';
import type { Bundles, Upload } from './bundles.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Platform, Version } from './types.ts';
import type { NewVersion, Versions } from './versions.ts';

interface TechnicalBody {
  entry_url?: string;
  redirect_uris?: string[];
  webhook_url?: string;
  scopes_requested?: string[];
}

export interface NewVersionBody {
  version: string;
  version_code?: number;
  changes?: { name?: string; technical?: TechnicalBody };
  platforms?: Platform[];
  scope_justifications?: Record<string, string>;
  release_notes: string;
  mandatory: boolean;
  rollout_percent: number;
  sha256?: string;
  draft: boolean;
}

const changesOf = ({ name, technical = {} }: NonNullable<NewVersionBody['changes']>): Reviewed =>
  Object.fromEntries(Object.entries({ name, entryPoint: technical.entry_url, redirectUris: technical.redirect_uris, webhookUrl: technical.webhook_url, scopes: technical.scopes_requested }).filter(([, value]) => value !== undefined));

const technicalOf = ({ entryPoint, redirectUris, webhookUrl, scopes }: Reviewed): TechnicalBody => ({
  ...(entryPoint === undefined ? {} : { entry_url: entryPoint }),
  ...(redirectUris === undefined ? {} : { redirect_uris: [...redirectUris] }),
  ...(webhookUrl === undefined ? {} : { webhook_url: webhookUrl }),
  ...(scopes === undefined ? {} : { scopes_requested: [...scopes] }),
});

export const newVersionOf = (body: NewVersionBody): NewVersion => ({
  version: body.version,
  ...(body.version_code === undefined ? {} : { versionCode: body.version_code }),
  changes: changesOf(body.changes ?? {}),
  platforms: body.platforms ?? [],
  scopeJustifications: body.scope_justifications ?? {},
  releaseNotes: body.release_notes,
  mandatory: body.mandatory,
  rolloutPercent: body.rollout_percent,
  draft: body.draft,
});

export const versionBody = (version: Version): object => ({
  miniapp_id: version.miniappId,
  version: version.version,
  version_code: version.versionCode,
  state: version.state,
  platforms: version.platforms,
  release_notes: version.releaseNotes,
  mandatory: version.mandatory,
  rollout_percent: version.rolloutPercent,
  changes: { ...(version.changes.name === undefined ? {} : { name: version.changes.name }), technical: technicalOf(version.changes) },
  ...(version.bundleSha256 === undefined ? {} : { hash: `sha256:${version.bundleSha256}` }),
  ...(version.rollbackOf === undefined ? {} : { rollback_of: version.rollbackOf }),
  ...(version.reason === undefined ? {} : { reason: version.reason }),
  created_at: isoTime(version.createdAt),
  updated_at: isoTime(version.changedAt),
  ...(version.releasedAt === undefined ? {} : { released_at: isoTime(version.releasedAt) }),
});

export interface ReleaseRoutesDependencies {
  readonly miniapps: Pick<MiniApps, 'get' | 'getFor' | 'getManaged'>;
  readonly lifecycle: Pick<Lifecycle, 'act'>;
  readonly versions: Versions;
  readonly bundles: Bundles;
  readonly isPrivilegedScope: (scope: string) => boolean;
}

/** Who calls: an administrator, or a developer. */
export const registrarOf = ({ principal, ...request }: ApiRequest): Registrar => (principal.kind === 'developer' ? { developer: principal.userId } : { admin: principalOf({ principal, ...request }, 'admin').name });

/** The app, for who may read or manage it. @throws AppError MINIAPP_NOT_FOUND, INSUFFICIENT_PERMISSIONS */
export async function appIn({ principal, path }: ApiRequest, miniapps: ReleaseRoutesDependencies['miniapps'], right: 'read' | 'manage'): Promise<MiniApp> {
  const id = path.miniapp_id as string;
  if (principal.kind !== 'developer') return miniapps.get(id);
  return right === 'manage' ? miniapps.getManaged(principal.userId, id) : miniapps.getFor(principal.userId, id);
}

/** @throws AppError for what is not this caller's or this app's to have */
export function assertAllowedChanges(request: ApiRequest, app: MiniApp, changes: Reviewed, isPrivilegedScope: (scope: string) => boolean): void {
  if (request.principal.kind === 'developer') assertOrdinaryScopes(changes.scopes, isPrivilegedScope);
  if (changes.entryPoint?.startsWith('tween-internal:') === true && app.classification !== 'official') throw internalForOfficial();
}

/** The developer's hand on the life of an app and its versions. */
export function releaseRoutes({ miniapps, lifecycle, versions, bundles, isPrivilegedScope }: ReleaseRoutesDependencies): Routes {
  const moving = (command: MiniAppCommand) => async (request: ApiRequest) => {
    const app = await appIn(request, miniapps, 'manage');
    const { reason } = request.body as { reason?: string };
    return answer(statusBody((await lifecycle.act(app.miniappId, registrarOf(request), () => [command], reason)).app));
  };
  const ofVersion = (work: (id: string, by: Registrar, code: number, request: ApiRequest) => Promise<object>) => async (request: ApiRequest) => {
    const app = await appIn(request, miniapps, 'manage');
    return answer(await work(app.miniappId, registrarOf(request), request.path.version_code as number, request));
  };
  return {
    submitMiniApp: moving('submit'),
    publishMiniApp: moving('publish'),
    withdrawMiniApp: moving('withdraw'),
    retireMiniApp: moving('retire'),
    listVersions: async (request) => {
      const { miniappId } = await appIn(request, miniapps, 'read');
      const { limit, before } = request.query as unknown as { limit: number; before?: number };
      const page = await versions.list(miniappId, limit, before);
      return answer({ versions: page.map(versionBody), ...(page.length === limit ? { next_before: page.at(-1)!.versionCode } : {}) });
    },
    addVersion: async (request) => {
      const app = await appIn(request, miniapps, 'manage');
      const add = async (body: NewVersionBody, upload?: Upload) => {
        const wanted: NewVersion = { ...newVersionOf(body), ...(upload === undefined ? {} : { bundleSha256: upload.sha256 }) };
        assertAllowedChanges(request, app, wanted.changes, isPrivilegedScope);
        await versions.check(app.miniappId, wanted);
        if (upload !== undefined) await bundles.keep(upload, body.sha256);
        return answer(versionBody(await versions.add(app.miniappId, registrarOf(request), wanted)), 201);
      };
      const { multipart } = request;
      if (multipart === undefined) return add(request.body as NewVersionBody);
      return bundles.receive(async (take) => {
        let upload: Upload | undefined;
        const body = await multipart({ fileBytes: bundles.maxBytes, files: 1 }, async ({ field }, stream) => {
          if (field !== 'bundle') throw invalidField(field, 'is not a part that is known');
          upload = await take(stream);
        });
        if (upload === undefined) throw invalidField('bundle', 'is required');
        return add(body as NewVersionBody, upload);
      });
    },
    rollOutVersion: ofVersion(async (id, by, code, { body }) => versionBody(await versions.rollOut(id, by, code, (body as { percent: number }).percent))),
    rollBackVersion: ofVersion(async (id, by, code, { body }) => versionBody(await versions.rollBack(id, by, code, (body as { reason?: string }).reason))),
    revokeVersion: ofVersion(async (id, by, code, { body }) => {
      const { revoked, successor } = await versions.revoke(id, by, code, (body as { reason: string }).reason);
      return { revoked: versionBody(revoked), ...(successor === undefined ? {} : { successor: versionBody(successor) }) };
    }),
  };
}
