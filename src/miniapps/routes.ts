import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import type { Edits } from './edits.ts';
import { approvalOf, rejectionOf, type MiniAppCommand, type MiniAppStatus } from './machine.ts';
import type { MiniApps } from './miniapps.ts';
import type { Credentials, Registrar } from './registration.ts';
import { assertOrdinary, assertOrdinaryScopes, internalForOfficial, registrationOf, type RegistrationBody } from './requests.ts';
import { isRemovable, type Classification, type MiniApp } from './types.ts';

/** Registration submits; official apps go on to active (decision D11). */
function commandsFor(body: RegistrationBody, classification: Classification): MiniAppCommand[] {
  if (body.draft === true) return [];
  if (classification !== 'official') return ['submit'];
  return ['submit', 'begin_review', 'approve', ...(body.hold === true ? [] : (['publish'] as const))];
}

/** SUBMITTED and UNDER_REVIEW read `pending_review` (decision D11). */
export const wireStatus = (status: MiniAppStatus): string => (status === 'submitted' || status === 'under_review' ? 'pending_review' : status);

/** The three forms of specification section 9.1.1. */
function credentialsBody({ publicClientId, confidentialClientId, clientSecret, webhookSecret }: Credentials): object {
  if (publicClientId !== undefined && confidentialClientId !== undefined) {
    return {
      public_client: { client_id: publicClientId, description: 'Frontend WebView mini-app' },
      confidential_client: { client_id: confidentialClientId, client_secret: clientSecret, description: 'Backend server for webhook processing and background operations' },
      webhook_secret: webhookSecret,
    };
  }
  return { client_id: publicClientId ?? confidentialClientId, ...(clientSecret === undefined ? {} : { client_secret: clientSecret }), webhook_secret: webhookSecret };
}

export const statusBody = (app: MiniApp): object => ({
  miniapp_id: app.miniappId,
  status: wireStatus(app.status),
  classification: app.classification,
  removable: isRemovable(app),
  ...(app.statusReason === undefined ? {} : { reason: app.statusReason }),
  updated_at: isoTime(app.updatedAt),
});

const administrator = (request: ApiRequest): Registrar => ({ admin: principalOf(request, 'admin').name });
const idIn = (request: ApiRequest): string => request.path.miniapp_id as string;

interface EditBody {
  name?: string;
  short_name?: string;
  description?: string;
  category?: string;
  developer?: Record<string, unknown>;
  technical?: { entry_url?: string; redirect_uris?: string[]; webhook_url?: string; scopes_requested?: string[] };
  branding?: Record<string, unknown> & { icon_url?: string };
  marketing?: Record<string, unknown>;
}

const editsOf = ({ technical = {}, branding, ...body }: EditBody): Edits =>
  Object.fromEntries(
    Object.entries({ name: body.name, shortName: body.short_name, description: body.description, category: body.category, developer: body.developer, marketing: body.marketing, branding, iconUrl: branding?.icon_url, entryPoint: technical.entry_url, redirectUris: technical.redirect_uris, webhookUrl: technical.webhook_url, scopes: technical.scopes_requested }).filter(([, value]) => value !== undefined),
  );

/** All that its developers know of it; no secrets. */
const detailBody = (app: MiniApp): object => ({
  ...statusBody(app),
  name: app.name,
  ...(app.shortName === undefined ? {} : { short_name: app.shortName }),
  description: app.description,
  category: app.category,
  client_type: app.clientType,
  version: app.version,
  version_code: app.versionCode,
  technical: { entry_url: app.entryPoint, redirect_uris: app.redirectUris, ...(app.webhookUrl === undefined ? {} : { webhook_url: app.webhookUrl }), scopes_requested: app.scopes },
  developer: app.developer,
  branding: app.branding,
  marketing: app.marketing,
  ...(app.owner === undefined ? {} : 'orgId' in app.owner ? { organization_id: app.owner.orgId } : { owner: app.owner.userId }),
  install_mode: app.installMode,
  install_count: app.installCount,
  ...(app.bundleSha256 === undefined ? {} : { hash: `sha256:${app.bundleSha256}` }),
  created_at: isoTime(app.createdAt),
  ...(app.publishedAt === undefined ? {} : { published_at: isoTime(app.publishedAt) }),
});

export interface MiniAppRoutesDependencies {
  readonly miniapps: MiniApps;
  /** Takes an app, or the newest version of an active one, through the commands for where it stands. */
  readonly act: (miniappId: string, by: Registrar, commandsFor: (status: string) => readonly MiniAppCommand[], reason?: string) => Promise<MiniApp>;
  /** Specification section 16.7. */
  readonly isPrivilegedScope: (scope: string) => boolean;
}

/** `/mini-apps/v1` and the administrators' part of the registry. */
export function miniappRoutes({ miniapps, act, isPrivilegedScope }: MiniAppRoutesDependencies): Routes {
  const moving = (commands: (request: ApiRequest, status: string) => readonly MiniAppCommand[]) => async (request: ApiRequest) => {
    const { reason } = request.body as { reason?: string };
    return answer(statusBody(await act(idIn(request), administrator(request), (status) => commands(request, status), reason)));
  };
  return {
    registerMiniApp: async (request) => {
      const body = request.body as RegistrationBody;
      const developer = request.principal.kind === 'developer' ? request.principal.userId : undefined;
      const by = developer === undefined ? administrator(request) : { developer };
      if (developer !== undefined) assertOrdinary(body, isPrivilegedScope);
      const registration = registrationOf(body, developer);
      const { app, credentials } = await miniapps.register(registration, by, commandsFor(body, registration.classification));
      return answer({ miniapp_id: app.miniappId, status: wireStatus(app.status), credentials: credentialsBody(credentials), created_at: isoTime(app.createdAt) }, 201);
    },
    getMiniApp: async (request) => {
      const { principal } = request;
      return answer(detailBody(principal.kind === 'developer' ? await miniapps.getFor(principal.userId, idIn(request)) : await miniapps.get(idIn(request))));
    },
    editMiniApp: async (request) => {
      const { principal } = request;
      const app = principal.kind === 'developer' ? await miniapps.getManaged(principal.userId, idIn(request)) : await miniapps.get(idIn(request));
      const edits = editsOf(request.body as EditBody);
      if (principal.kind === 'developer') assertOrdinaryScopes(edits.scopes, isPrivilegedScope);
      if (edits.entryPoint?.startsWith('tween-internal:') === true && app.classification !== 'official') throw internalForOfficial();
      return answer(detailBody(await miniapps.edit(app.miniappId, principal.kind === 'developer' ? { developer: principal.userId } : administrator(request), edits)));
    },
    getMiniAppStatus: async (request) => {
      const { principal } = request;
      return answer(statusBody(principal.kind === 'developer' ? await miniapps.getFor(principal.userId, idIn(request)) : await miniapps.get(idIn(request))));
    },
    approveMiniApp: moving((request, status) => approvalOf({ status }, (request.body as { hold?: boolean }).hold)),
    rejectMiniApp: moving((_request, status) => rejectionOf({ status })),
    suspendMiniApp: moving(() => ['suspend']),
    reinstateMiniApp: moving(() => ['reinstate']),
    rotateMiniAppSecret: async (request) => {
      const { secret: which, overlap_seconds: overlapSeconds } = request.body as { secret: 'client' | 'webhook'; overlap_seconds: number };
      const by = request.principal.kind === 'developer' ? { developer: request.principal.userId } : administrator(request);
      const app = 'developer' in by ? await miniapps.getManaged(by.developer, idIn(request)) : await miniapps.get(idIn(request));
      const { secret, clientId, oldUntil } = await miniapps.rotateSecret(app.miniappId, by, which, overlapSeconds * 1000);
      const named = which === 'client' ? { client_id: clientId, client_secret: secret } : { webhook_secret: secret };
      return answer({ miniapp_id: app.miniappId, ...named, previous_valid_until: isoTime(oldUntil) });
    },
    classifyMiniApp: async (request) => answer(statusBody(await miniapps.classify(idIn(request), administrator(request), (request.body as { classification: Classification }).classification))),
  };
}
