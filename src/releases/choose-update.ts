import { createHash } from 'node:crypto';
import semver from 'semver';
import type { Platform, Version } from './types.ts';

export interface Having {
  readonly version: string;
  readonly versionCode: number | undefined;
}

export interface Choice {
  readonly target: Version;
  readonly mandatory: boolean;
  readonly updateType: 'major' | 'minor' | 'patch' | 'rollback';
}

/** 0 … 9999, the same for this user and version for ever: who is in at 10 % is in at 20 %. */
export const rolloutSlot = (userId: string, versionId: string): number => createHash('sha256').update(`${versionId}\n${userId}`).digest().readUInt32BE() % 10_000;

const isFor = (version: Version, platform: Platform): boolean => version.platforms.length === 0 || version.platforms.includes(platform);

/** What lies between two versions, for people; versions that are no semver differ in everything. */
export function updateTypeOf(from: string, to: string): Choice['updateType'] {
  if (semver.valid(from) === null || semver.valid(to) === null) return 'major';
  if (semver.lt(to, from)) return 'rollback';
  const difference = semver.diff(from, to)?.replace(/^pre/, '');
  return difference === 'major' || difference === 'minor' ? difference : 'patch';
}

/** The code of what a client has: as it says, or by the version's name; 0 for what is older than all we know, undefined for what is newer. */
function codeOf({ version, versionCode }: Having, published: readonly Version[]): number | undefined {
  if (versionCode !== undefined) return versionCode;
  const known = published.find((one) => one.version === version);
  if (known !== undefined) return known.versionCode;
  const newest = published[0];
  return newest !== undefined && semver.valid(version) !== null && semver.gte(version, newest.version) ? undefined : 0;
}

/**
 * The update for a client that has `having` of an app whose published versions are these, the newest first; undefined for none.
 * Codes only rise. What was revoked must be left at once, wherever the roll-out of its successor stands.
 */
export function chooseUpdate(having: Having, published: readonly Version[], { userId, platform, isMandatoryApp }: { readonly userId: string; readonly platform: Platform; readonly isMandatoryApp: boolean }): Choice | undefined {
  const code = codeOf(having, published);
  if (code === undefined) return undefined;
  const isRevoked = published.some((one) => one.versionCode === code && one.state === 'revoked');
  const newer = published.filter((one) => one.state === 'released' && one.versionCode > code && isFor(one, platform));
  const target = newer.find((one) => isRevoked || rolloutSlot(userId, one.versionId) < one.rolloutPercent * 100);
  if (target === undefined) return undefined;
  const mandatory = isMandatoryApp || isRevoked || newer.some((one) => one.mandatory && one.versionCode <= target.versionCode);
  return { target, mandatory, updateType: target.rollbackOf !== undefined ? 'rollback' : updateTypeOf(having.version, target.version) };
}
