import type { MiniAppId } from '../kernel/ids.ts';
import type { Reviewed } from '../miniapps/index.ts';
import type { VersionState } from './machine.ts';

export const platforms = ['ios', 'android', 'web', 'desktop'] as const;
export type Platform = (typeof platforms)[number];

/** One version of a mini-app: a bundle, or where it is hosted, and what it changes about the app. */
export interface Version {
  readonly versionId: string;
  readonly miniappId: MiniAppId;
  /** Only rises, also when old bytes are published again (decision D16). */
  readonly versionCode: number;
  readonly version: string;
  readonly state: VersionState;
  /** SHA-256 as hex; undefined for an app that is hosted elsewhere. */
  readonly bundleSha256: string | undefined;
  readonly changes: Reviewed;
  /** Whom it is for; none: everybody. */
  readonly platforms: readonly Platform[];
  readonly scopeJustifications: Readonly<Record<string, string>>;
  readonly releaseNotes: string;
  readonly mandatory: boolean;
  /** Of the users, the share that is offered it. */
  readonly rolloutPercent: number;
  readonly rollbackOf: number | undefined;
  readonly reason: string | undefined;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly changedAt: number;
  readonly releasedAt: number | undefined;
}
