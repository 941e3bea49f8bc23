import type { MiniAppId } from '../kernel/ids.ts';
import type { MiniAppStatus } from './machine.ts';
import type { Owner } from './ownership.ts';

export type Classification = 'official' | 'verified' | 'community' | 'beta';
export type ClientType = 'public' | 'confidential' | 'hybrid';
/** Specification section 16.3. */
export type InstallMode = 'mandatory' | 'default' | 'optional';

export interface MiniApp {
  readonly miniappId: MiniAppId;
  readonly name: string;
  readonly shortName: string | undefined;
  readonly description: string;
  readonly category: string;
  readonly classification: Classification;
  readonly status: MiniAppStatus;
  readonly clientType: ClientType;
  readonly version: string;
  /** What a client opens: an `https:` URL, or `tween-internal:` for official apps. */
  readonly entryPoint: string;
  readonly redirectUris: readonly string[];
  readonly webhookUrl: string | undefined;
  readonly scopes: readonly string[];
  readonly iconUrl: string | undefined;
  readonly developer: Readonly<Record<string, unknown>>;
  readonly branding: Readonly<Record<string, unknown>>;
  readonly marketing: Readonly<Record<string, unknown>>;
  readonly installMode: InstallMode;
  readonly displayOrder: number;
  readonly statusReason: string | undefined;
  readonly installCount: number;
  /** `manifest`, `admin:` and a name, or a developer's user id. */
  readonly registeredBy: string;
  readonly owner: Owner | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly publishedAt: number | undefined;
  /** Of the version that is released; only rises (decision D16). */
  readonly versionCode: number;
  /** Its bytes, where it comes as a bundle: SHA-256 as hex. */
  readonly bundleSha256: string | undefined;
}

/** An administrator's decision, as which a manifest's counts too; not a developer's own registration, whatever became of it since. */
export const isAdminRegistered = ({ registeredBy }: Pick<MiniApp, 'registeredBy'>): boolean => registeredBy === 'manifest' || registeredBy.startsWith('admin:');

/** A user can't remove a mandatory app (specification section 16.3). */
export const isRemovable = (app: Pick<MiniApp, 'installMode'>): boolean => app.installMode !== 'mandatory';
export const isPreinstalled = (app: Pick<MiniApp, 'installMode'>): boolean => app.installMode !== 'optional';
