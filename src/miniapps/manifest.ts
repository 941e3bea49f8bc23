import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { fieldProblems } from '../http/index.ts';
import type { MiniAppId } from '../kernel/ids.ts';
import type { MiniApps } from './miniapps.ts';
import type { Registration } from './registration.ts';
import type { InstallMode } from './types.ts';

interface ManifestApp {
  miniapp_id: MiniAppId;
  name: string;
  category: string;
  classification: 'official';
  install_mode: InstallMode;
  removable: boolean;
  icon: string;
  entry_point: string;
  display_order: number;
  version?: string;
  description?: string;
  scopes?: string[];
  redirect_uris?: string[];
}

/** Specification section 16.4, with what our registry needs besides. */
const schema = {
  type: 'object',
  required: ['version', 'apps'],
  properties: {
    version: { type: 'string' },
    last_updated: { type: 'string' },
    apps: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['miniapp_id', 'name', 'category', 'classification', 'install_mode', 'removable', 'icon', 'entry_point', 'display_order'],
        properties: {
          miniapp_id: { type: 'string', pattern: '^ma_[a-z0-9][a-z0-9._-]{1,60}$' },
          name: { type: 'string', minLength: 1, maxLength: 80 },
          category: { type: 'string', minLength: 1, maxLength: 40 },
          classification: { const: 'official' },
          install_mode: { enum: ['mandatory', 'default', 'optional'] },
          removable: { type: 'boolean' },
          icon: { type: 'string' },
          entry_point: { type: 'string', pattern: '^(tween-internal|https)://' },
          display_order: { type: 'integer', minimum: 0 },
          version: { type: 'string' },
          description: { type: 'string' },
          scopes: { type: 'array', items: { type: 'string' } },
          redirect_uris: { type: 'array', items: { type: 'string', pattern: '^https://' } },
        },
      },
    },
  },
};

/** Reads the manifest of official mini-apps. Throws an Error with a line for each thing that is wrong with it. */
export function readManifest(file: string): (Registration & { readonly miniappId: MiniAppId })[] {
  let manifest: unknown;
  try {
    manifest = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`catalog.preinstalled: ${file}: ${(error as Error).message}`, { cause: error });
  }
  const validate = new Ajv2020({ allErrors: true }).compile<{ apps: ManifestApp[] }>(schema);
  if (!validate(manifest)) throw new Error(fieldProblems(validate.errors).map(({ field, problem }) => `catalog.preinstalled: ${file}: ${field} ${problem}`).join('\n'));
  const contradiction = manifest.apps.find((app) => app.removable !== (app.install_mode !== 'mandatory'));
  if (contradiction !== undefined) throw new Error(`catalog.preinstalled: ${file}: ${contradiction.miniapp_id}: removable must be ${contradiction.install_mode !== 'mandatory'} for install_mode ${contradiction.install_mode}`);
  return manifest.apps.map(registrationOf);
}

const registrationOf = (app: ManifestApp): Registration & { readonly miniappId: MiniAppId } => ({
  miniappId: app.miniapp_id,
  name: app.name,
  description: app.description ?? '',
  category: app.category,
  classification: 'official',
  clientType: 'public',
  version: app.version ?? '1.0.0',
  entryPoint: app.entry_point,
  redirectUris: app.redirect_uris ?? [],
  scopes: app.scopes ?? ['user:read', 'storage:read', 'storage:write'],
  iconUrl: app.icon,
  developer: { official: true },
  branding: {},
  marketing: {},
  installMode: app.install_mode,
  displayOrder: app.display_order,
});

/** Brings the registry to what the manifest says: new apps go through the whole machine to active. Returns the ids that were new or changed. */
export async function adoptPreinstalled(miniapps: MiniApps, file: string): Promise<MiniAppId[]> {
  const touched: MiniAppId[] = [];
  for (const registration of readManifest(file)) {
    if ((await miniapps.adopt(registration)) !== 'same') touched.push(registration.miniappId);
  }
  return touched;
}
