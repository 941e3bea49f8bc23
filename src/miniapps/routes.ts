import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { isMiniAppId } from '../kernel/ids.ts';
import type { MiniAppCommand, MiniAppStatus } from './machine.ts';
import type { Credentials, MiniApps, Registration } from './miniapps.ts';
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
  draft?: boolean;
  hold?: boolean;
}

function registrationOf(body: RegistrationBody): Registration {
  const { technical, preinstall } = body;
  const classification = body.classification ?? 'community';
  if (body.miniapp_id !== undefined && !isMiniAppId(body.miniapp_id)) throw invalidField('miniapp_id', 'must be ma_ and lower-case letters, digits, dots, dashes or underscores');
  if (body.client_type !== undefined && technical.client_type !== undefined && body.client_type !== technical.client_type) throw invalidField('client_type', 'disagrees with technical.client_type');
  if (technical.entry_url.startsWith('tween-internal:') && classification !== 'official') throw invalidField('technical.entry_url', 'tween-internal: is for official apps');
  if (preinstall?.enabled === true && classification !== 'official') throw invalidField('preinstall.enabled', 'only official apps are preinstalled');
  return {
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

const idIn = (request: ApiRequest): string => request.path.miniapp_id as string;

/** `/mini-apps/v1` and the administrators' part of the registry. */
export function miniappRoutes(miniapps: MiniApps): Routes {
  const moving = (commands: (request: ApiRequest, app: MiniApp) => readonly MiniAppCommand[]) => async (request: ApiRequest) => {
    const { reason } = request.body as { reason?: string };
    const app = await miniapps.get(idIn(request));
    return answer(statusBody(await miniapps.move(app.miniappId, commands(request, app), reason)));
  };
  return {
    registerMiniApp: async (request) => {
      const admin = principalOf(request, 'admin');
      const body = request.body as RegistrationBody;
      const registration = registrationOf(body);
      const { app, credentials } = await miniapps.register(registration, `admin:${admin.name}`, commandsFor(body, registration.classification));
      return answer({ miniapp_id: app.miniappId, status: wireStatus(app.status), credentials: credentialsBody(credentials), created_at: isoTime(app.createdAt) }, 201);
    },
    getMiniAppStatus: async (request) => answer(statusBody(await miniapps.get(idIn(request)))),
    approveMiniApp: moving((request, app) => {
      const { hold } = request.body as { hold?: boolean };
      if (app.status === 'approved') return ['publish'];
      return [...(app.status === 'submitted' ? (['begin_review'] as const) : []), 'approve', ...(hold === true ? [] : (['publish'] as const))];
    }),
    rejectMiniApp: moving((_request, app) => [...(app.status === 'submitted' ? (['begin_review'] as const) : []), 'reject']),
    suspendMiniApp: moving(() => ['suspend']),
    reinstateMiniApp: moving(() => ['reinstate']),
    classifyMiniApp: async (request) => answer(statusBody(await miniapps.classify(idIn(request), (request.body as { classification: Classification }).classification))),
  };
}
