import type { MiniAppId, UserId } from '../kernel/ids.ts';
import type { Owner } from './ownership.ts';
import type { Classification, ClientType, InstallMode } from './types.ts';

/** What a registration says (specification sections 9.1.1 and 16.3). */
export interface Registration {
  readonly miniappId?: MiniAppId;
  readonly name: string;
  readonly shortName?: string;
  readonly description: string;
  readonly category: string;
  readonly classification: Classification;
  readonly clientType: ClientType;
  readonly version: string;
  readonly entryPoint: string;
  readonly redirectUris: readonly string[];
  readonly webhookUrl?: string;
  readonly scopes: readonly string[];
  readonly iconUrl?: string;
  readonly developer: Readonly<Record<string, unknown>>;
  readonly branding: Readonly<Record<string, unknown>>;
  readonly marketing: Readonly<Record<string, unknown>>;
  readonly installMode: InstallMode;
  readonly displayOrder: number;
  readonly owner?: Owner;
  /** Why it asks for which scope, for the review. */
  readonly scopeJustifications?: Readonly<Record<string, string>>;
}

/** Who registers: an administrator, or a developer, whose role in the owning organisation must allow it. */
export type Registrar = { readonly admin: string } | { readonly developer: UserId };

/** Shown once; only hashes and sealed forms are kept. */
export interface Credentials {
  readonly publicClientId: string | undefined;
  readonly confidentialClientId: string | undefined;
  readonly clientSecret: string | undefined;
  readonly webhookSecret: string;
}

/** Who acts on the registry: who may register, or the manifest of official apps, or the server itself. */
export type Actor = Registrar | { readonly manifest: true } | { readonly system: string };
