import type { RegistrationBody } from './requests.ts';

/** What we read of a W3C MiniApp Manifest; the rest of it is for the client that runs the app. */
export interface W3cManifest {
  readonly app_id?: string;
  readonly name?: string;
  readonly short_name?: string;
  readonly description?: string;
  readonly icons?: readonly { readonly src: string }[];
  readonly version?: { readonly name?: string; readonly code?: number };
  readonly req_permissions?: readonly { readonly name: string; readonly reason?: string }[];
}

const isScope = (name: string): boolean => /^[a-z]+(:[a-z]+){1,2}$/.test(name);

/** A registration with what its manifest says where the request itself says nothing. Permissions that are scopes of ours are asked for, with the manifest's reasons. */
export function withManifest(body: RegistrationBody, manifest: W3cManifest): RegistrationBody {
  const permissions = (manifest.req_permissions ?? []).filter(({ name }) => isScope(name));
  const reasons = Object.fromEntries(permissions.flatMap(({ name, reason }) => (reason === undefined ? [] : [[name, reason]])));
  const icon = manifest.icons?.find(({ src }) => src.startsWith('https://'))?.src;
  return {
    ...(manifest.name === undefined ? {} : { name: manifest.name }),
    ...(manifest.short_name === undefined ? {} : { short_name: manifest.short_name }),
    ...(manifest.description === undefined ? {} : { description: manifest.description }),
    ...(manifest.version?.name === undefined ? {} : { version: manifest.version.name }),
    ...body,
    technical: { ...(permissions.length === 0 ? {} : { scopes_requested: [...new Set(permissions.map(({ name }) => name))] }), ...body.technical },
    branding: { ...(icon === undefined ? {} : { icon_url: icon }), ...body.branding },
    scope_justifications: { ...reasons, ...body.scope_justifications },
  };
}
