import type { Queryable, Transaction } from '../database/index.ts';
import { asMiniAppId } from '../kernel/ids.ts';
import type { VersionState } from './machine.ts';
import type { Platform, Version } from './types.ts';

interface VersionRow {
  version_id: string;
  miniapp_id: string;
  version_code: number;
  version: string;
  state: VersionState;
  bundle_sha256: string | null;
  changes: string;
  platforms: string;
  scope_justifications: string;
  release_notes: string;
  /** SQLite has no booleans. */
  mandatory: boolean | number;
  rollout_percent: number;
  rollback_of: number | null;
  reason: string | null;
  created_by: string;
  created_at: number;
  changed_at: number;
  released_at: number | null;
}

const fromRow = (row: VersionRow): Version => ({
  versionId: row.version_id,
  miniappId: asMiniAppId(row.miniapp_id),
  versionCode: row.version_code,
  version: row.version,
  state: row.state,
  bundleSha256: row.bundle_sha256 ?? undefined,
  changes: JSON.parse(row.changes) as Version['changes'],
  platforms: JSON.parse(row.platforms) as Platform[],
  scopeJustifications: JSON.parse(row.scope_justifications) as Record<string, string>,
  releaseNotes: row.release_notes,
  mandatory: Boolean(row.mandatory),
  rolloutPercent: row.rollout_percent,
  rollbackOf: row.rollback_of ?? undefined,
  reason: row.reason ?? undefined,
  createdBy: row.created_by,
  createdAt: row.created_at,
  changedAt: row.changed_at,
  releasedAt: row.released_at ?? undefined,
});

const table = (db: Queryable) => db.sql<VersionRow>('miniapp_version');

/** False when the app has that code or that name of a version already. */
export async function insertVersion(tx: Transaction, version: Version): Promise<boolean> {
  const rows = await tx
    .sql('miniapp_version')
    .insert({
      version_id: version.versionId,
      miniapp_id: version.miniappId,
      version_code: version.versionCode,
      version: version.version,
      state: version.state,
      bundle_sha256: version.bundleSha256 ?? null,
      changes: JSON.stringify(version.changes),
      platforms: JSON.stringify(version.platforms),
      scope_justifications: JSON.stringify(version.scopeJustifications),
      release_notes: version.releaseNotes,
      mandatory: version.mandatory,
      rollout_percent: version.rolloutPercent,
      rollback_of: version.rollbackOf ?? null,
      reason: version.reason ?? null,
      created_by: version.createdBy,
      created_at: version.createdAt,
      changed_at: version.changedAt,
      released_at: version.releasedAt ?? null,
    })
    .onConflict()
    .ignore()
    .returning<object[]>('version_id');
  return rows.length === 1;
}

/** The one with the highest code. */
export async function findNewest(db: Queryable, miniappId: string): Promise<Version | undefined> {
  const row = await table(db).where({ miniapp_id: miniappId }).orderBy('version_code', 'desc').first();
  return row === undefined ? undefined : fromRow(row);
}

export async function findVersion(db: Queryable, miniappId: string, versionCode: number): Promise<Version | undefined> {
  const row = await table(db).where({ miniapp_id: miniappId, version_code: versionCode }).first();
  return row === undefined ? undefined : fromRow(row);
}

export async function findVersionById(db: Queryable, versionId: string): Promise<Version | undefined> {
  const row = await table(db).where({ version_id: versionId }).first();
  return row === undefined ? undefined : fromRow(row);
}

/** The newest first. */
export async function listVersions(db: Queryable, miniappId: string, limit: number, before?: number): Promise<Version[]> {
  const query = table(db).where({ miniapp_id: miniappId }).orderBy('version_code', 'desc').limit(limit);
  if (before !== undefined) void query.andWhere('version_code', '<', before);
  return (await query).map(fromRow);
}

/** What was ever in users' hands, of several apps, the newest first. */
export async function listPublished(db: Queryable, miniappIds: readonly string[]): Promise<Version[]> {
  const rows = await table(db).whereIn('miniapp_id', [...miniappIds]).whereIn('state', ['released', 'revoked']).orderBy('version_code', 'desc');
  return rows.map(fromRow);
}

/** The newest released one of the app. */
export async function findNewestReleased(db: Queryable, miniappId: string): Promise<Version | undefined> {
  const row = await table(db).where({ miniapp_id: miniappId, state: 'released' }).orderBy('version_code', 'desc').first();
  return row === undefined ? undefined : fromRow(row);
}

/** False when it is no longer in state `from`. */
export async function moveVersion(tx: Transaction, version: Pick<Version, 'versionId' | 'state'>, to: VersionState, change: { readonly now: number; readonly reason: string | undefined; readonly changes: Version['changes'] }): Promise<boolean> {
  const changed = await table(tx)
    .where({ version_id: version.versionId, state: version.state })
    .update({ state: to, reason: change.reason ?? null, changes: JSON.stringify(change.changes), changed_at: change.now, ...(to === 'released' ? { released_at: change.now } : {}) });
  return changed === 1;
}

export async function setRollout(tx: Transaction, versionId: string, percent: number, now: number): Promise<void> {
  await table(tx).where({ version_id: versionId }).update({ rollout_percent: percent, changed_at: now });
}

/** Whether bytes may still be handed out: some version that consists of them was not revoked. */
export async function isBundleServed(db: Queryable, sha256: string): Promise<boolean> {
  return (await table(db).where({ bundle_sha256: sha256 }).whereNot('state', 'revoked').first('version_id')) !== undefined;
}
