import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { isMiniAppId, type UserId } from '../kernel/ids.ts';
import { approvalOf, rejectionOf, type MiniAppCommand, type MiniAppStatus } from './machine.ts';
import type { Credentials, MiniApps, Registrar, Registration } from './miniapps.ts';
import { isRemovable, type Classification, type ClientType, type InstallMode, type MiniApp } from './types.ts';

interface RegistrationBody {
  miniapp_id?: string;
  name: string;
  short_name?: string;
  description?: string;
  category?: string;
  classification?: Classification;
  client_type?: ClientType;
  version?: string;
  developer?: Record<string, unknown>;
  technical: { entry_url: string; redirect_uris?: string[]; webhook_url?: string; scopes_requested?: string[]; client_type?: ClientType };
  branding?: Record<string, unknown> & { icon_url?: string };
  marketing?: Record<string, unknown>;
  preinstall?: { enabled?: boolean; install_mode?: InstallMode; display_order?: number };
  elevated_permissions?: Record<string, unknown>;
  organization_id?: string;
  draft?: boolean;
  hold?: boolean;
}

const notForDevelopers = (field: string, why: string): AppError => new AppError('INSUFFICIENT_PERMISSIONS', `${field}: ${why}`, { details: [{ field, problem: why }] });

/** A developer registers ordinary apps of the community; what raises one above the others is the administrators' (section 16.3). */
function assertOrdinary(body: RegistrationBody, isPrivilegedScope: (scope: string) => boolean): void {
  if (body.miniapp_id !== undefined) throw notForDevelopers('miniapp_id', 'is chosen by administrators');
  if (body.classification !== undefined && body.classification !== 'community') throw notForDevelopers('classification', `${body.classification} is given by administrators`);
  if (body.preinstall !== undefined) throw notForDevelopers('preinstall', 'only official apps are preinstalled');
  if (body.elevated_permissions !== undefined) throw notForDevelopers('elevated_permissions', 'are for official apps');
  const privileged = body.technical.scopes_requested?.find(isPrivilegedScope);
  if (privileged !== undefined) throw notForDevelopers('technical.scopes_requested', `${privileged} is for official apps`);
}

function registrationOf(body: RegistrationBody, developer: UserId | undefined): Registration {
  const { technical, preinstall } = body;
  const classification = body.classification ?? 'community';
  if (body.miniapp_id !== undefined && !isMiniAppId(body.miniapp_id)) throw invalidField('miniapp_id', 'must be ma_ and lower-case letters, digits, dots, dashes or underscores');
  if (body.client_type !== undefined && technical.client_type !== undefined && body.client_type !== technical.client_type) throw invalidField('client_type', 'disagrees with technical.client_type');
  if (technical.entry_url.startsWith('tween-internal:') && classification !== 'official') throw invalidField('technical.entry_url', 'tween-internal: is for official apps');
  if (preinstall?.enabled === true && classification !== 'official') throw invalidField('preinstall.enabled', 'only official apps are preinstalled');
  const owner = body.organization_id !== undefined ? { orgId: body.organization_id } : developer !== undefined ? { userId: developer } : undefined;
  return {
    ...(owner === undefined ? {} : { owner }),
    ...(body.miniapp_id === undefined ? {} : { miniappId: body.miniapp_id }),
    name: body.name,
    ...(body.short_name === undefined ? {} : { shortName: body.short_name }),
    description: body.description ?? '',
    category: body.category ?? 'other',
    classification,
    clientType: body.client_type ?? technical.client_type ?? 'public',
    version: body.version ?? '1.0.0',
    entryPoint: technical.entry_url,
    redirectUris: technical.redirect_uris ?? [],
    ...(technical.webhook_url === undefined ? {} : { webhookUrl: technical.webhook_url }),
    scopes: technical.scopes_requested ?? [],
    ...(body.branding?.icon_url === undefined ? {} : { iconUrl: body.branding.icon_url }),
    developer: body.developer ?? {},
    branding: body.branding ?? {},
    marketing: body.marketing ?? {},
    installMode: preinstall?.enabled === true ? (preinstall.install_mode ?? 'default') : 'optional',
    displayOrder: preinstall?.display_order ?? 0,
  };
}

/** Registration submits; official apps go on to active (decision D11). */
function commandsFor(body: RegistrationBody, classification: Classification): MiniAppCommand[] {
  if (body.draft === true) return [];
  if (classification !== 'official') return ['submit'];
  return ['submit', 'begin_review', 'approve', ...(body.hold === true ? [] : (['publish'] as const))];
}

/** SUBMITTED and UNDER_REVIEW read `pending_review` (decision D11). */
const wireStatus = (status: MiniAppStatus): string => (status === 'submitted' || status === 'under_review' ? 'pending_review' : status);

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

const statusBody = (app: MiniApp): object => ({
  miniapp_id: app.miniappId,
  status: wireStatus(app.status),
  classification: app.classification,
  removable: isRemovable(app),
  ...(app.statusReason === undefined ? {} : { reason: app.statusReason }),
  updated_at: isoTime(app.updatedAt),
});

const administrator = (request: ApiRequest): Registrar => ({ admin: principalOf(request, 'admin').name });
const idIn = (request: ApiRequest): string => request.path.miniapp_id as string;

export interface MiniAppRoutesDependencies {
  readonly miniapps: MiniApps;
  /** Specification section 16.7. */
  readonly isPrivilegedScope: (scope: string) => boolean;
}

/** `/mini-apps/v1` and the administrators' part of the registry. */
export function miniappRoutes({ miniapps, isPrivilegedScope }: MiniAppRoutesDependencies): Routes {
  const moving = (commands: (request: ApiRequest, app: MiniApp) => readonly MiniAppCommand[]) => async (request: ApiRequest) => {
    const { reason } = request.body as { reason?: string };
    const app = await miniapps.get(idIn(request));
    return answer(statusBody(await miniapps.move(app.miniappId, administrator(request), commands(request, app), reason)));
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
    getMiniAppStatus: async (request) => {
      const { principal } = request;
      return answer(statusBody(principal.kind === 'developer' ? await miniapps.getFor(principal.userId, idIn(request)) : await miniapps.get(idIn(request))));
    },
    approveMiniApp: moving((request, app) => {
      const { hold } = request.body as { hold?: boolean };
      return approvalOf(app, hold);
    }),
    rejectMiniApp: moving((_request, app) => rejectionOf(app)),
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
