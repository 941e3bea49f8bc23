import { AppError, invalidField } from '../kernel/errors.ts';
import { isMiniAppId, type UserId } from '../kernel/ids.ts';
import type { Registration } from './registration.ts';
import type { Classification, ClientType, InstallMode } from './types.ts';
import { withManifest, type W3cManifest } from './w3c-manifest.ts';

export interface RegistrationBody {
  miniapp_id?: string;
  name?: string;
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
  scope_justifications?: Record<string, string>;
  manifest?: W3cManifest;
  draft?: boolean;
  hold?: boolean;
}

const notForDevelopers = (field: string, why: string): AppError => new AppError('INSUFFICIENT_PERMISSIONS', `${field}: ${why}`, { details: [{ field, problem: why }] });

/** @throws AppError INSUFFICIENT_PERMISSIONS */
export function assertOrdinaryScopes(scopes: readonly string[] | undefined, isPrivilegedScope: (scope: string) => boolean): void {
  const privileged = scopes?.find(isPrivilegedScope);
  if (privileged !== undefined) throw notForDevelopers('technical.scopes_requested', `${privileged} is for official apps`);
}

export const internalForOfficial = (): AppError => invalidField('technical.entry_url', 'tween-internal: is for official apps');

/** A developer registers ordinary apps of the community; what raises one above the others is the administrators' (section 16.3). */
export function assertOrdinary(body: RegistrationBody, isPrivilegedScope: (scope: string) => boolean): void {
  if (body.miniapp_id !== undefined) throw notForDevelopers('miniapp_id', 'is chosen by administrators');
  if (body.classification !== undefined && body.classification !== 'community') throw notForDevelopers('classification', `${body.classification} is given by administrators`);
  if (body.preinstall !== undefined) throw notForDevelopers('preinstall', 'only official apps are preinstalled');
  if (body.elevated_permissions !== undefined) throw notForDevelopers('elevated_permissions', 'are for official apps');
  assertOrdinaryScopes(body.technical.scopes_requested, isPrivilegedScope);
}

/** What a request for registration says. @throws AppError INVALID_REQUEST */
export function registrationOf(given: RegistrationBody, developer: UserId | undefined): Registration {
  const body = given.manifest === undefined ? given : withManifest(given, given.manifest);
  if (body.name === undefined) throw invalidField('name', 'is required');
  const { technical, preinstall } = body;
  const classification = body.classification ?? 'community';
  if (body.miniapp_id !== undefined && !isMiniAppId(body.miniapp_id)) throw invalidField('miniapp_id', 'must be ma_ and lower-case letters, digits, dots, dashes or underscores');
  if (body.client_type !== undefined && technical.client_type !== undefined && body.client_type !== technical.client_type) throw invalidField('client_type', 'disagrees with technical.client_type');
  if (technical.entry_url.startsWith('tween-internal:') && classification !== 'official') throw internalForOfficial();
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
    scopeJustifications: body.scope_justifications ?? {},
  };
}
