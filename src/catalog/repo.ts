import type { Queryable } from '../database/index.ts';
import { asMiniAppId, type MiniAppId, type RoomId, type UserId } from '../kernel/ids.ts';
import { miniappFromRow, type MiniApp, type MiniAppRow } from '../miniapps/index.ts';

export interface Installation {
  readonly installId: string;
  readonly miniappId: MiniAppId;
  readonly state: 'installed' | 'removed';
  readonly version: string;
  readonly changedAt: number;
}

interface InstallationRow {
  user_id: string;
  miniapp_id: string;
  install_id: string;
  state: 'installed' | 'removed';
  version: string;
  room_id: string | null;
  changed_at: number;
}

const installationFromRow = (row: InstallationRow): Installation => ({ installId: row.install_id, miniappId: asMiniAppId(row.miniapp_id), state: row.state, version: row.version, changedAt: row.changed_at });

export async function findInstallation(db: Queryable, userId: UserId, miniappId: MiniAppId): Promise<Installation | undefined> {
  const query = db.sql<InstallationRow>('installation').where({ user_id: userId, miniapp_id: miniappId }).first();
  const row = await (db.dialect === 'postgres' ? query.forNoKeyUpdate() : query);
  return row === undefined ? undefined : installationFromRow(row);
}

/** Writes the user's wish. False when another request of the same user has just written the same. */
export async function saveInstallation(db: Queryable, userId: UserId, installation: Installation, roomId: RoomId | undefined): Promise<boolean> {
  const row: InstallationRow = {
    user_id: userId,
    miniapp_id: installation.miniappId,
    install_id: installation.installId,
    state: installation.state,
    version: installation.version,
    room_id: roomId ?? null,
    changed_at: installation.changedAt,
  };
  const written = await db
    .sql('installation')
    .insert(row)
    .onConflict(['user_id', 'miniapp_id'])
    .merge()
    .whereNot('installation.state', installation.state)
    .returning<object[]>('install_id');
  return written.length === 1;
}

export async function addToInstallCount(db: Queryable, miniappId: MiniAppId, change: 1 | -1): Promise<void> {
  await db.sql('miniapp').where({ miniapp_id: miniappId }).increment('install_count', change);
}

export async function listInstallations(db: Queryable, userId: UserId): Promise<Map<MiniAppId, Installation>> {
  const rows = await db.sql<InstallationRow>('installation').where({ user_id: userId });
  return new Map(rows.map((row) => [asMiniAppId(row.miniapp_id), installationFromRow(row)]));
}

export async function listPreinstalled(db: Queryable): Promise<MiniApp[]> {
  return (await db.sql<MiniAppRow>('miniapp').whereNot('install_mode', 'optional').andWhere('status', 'active')).map(miniappFromRow);
}

export async function listMiniApps(db: Queryable, ids: readonly MiniAppId[]): Promise<MiniApp[]> {
  return ids.length === 0 ? [] : (await db.sql<MiniAppRow>('miniapp').whereIn('miniapp_id', ids)).map(miniappFromRow);
}

export type Sort = 'popular' | 'recent' | 'rating' | 'name';

export interface BrowseFilter {
  readonly category?: string;
  readonly classification?: string;
  readonly search?: string;
  readonly sort: Sort;
  readonly limit: number;
  readonly offset: number;
}

/** Nobody has rated anything yet, so the best rated are the most popular. */
const orders: Record<Sort, { column: string; order: 'asc' | 'desc' }> = {
  popular: { column: 'install_count', order: 'desc' },
  rating: { column: 'install_count', order: 'desc' },
  recent: { column: 'published_at', order: 'desc' },
  name: { column: 'name', order: 'asc' },
};

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, (character) => `\\${character}`);

/** Active apps; beta ones only when asked for by name of their class (specification section 16.2: opt-in). */
export async function browse(db: Queryable, filter: BrowseFilter): Promise<{ apps: MiniApp[]; total: number }> {
  const matching = db.sql<MiniAppRow>('miniapp').where('status', 'active');
  if (filter.category !== undefined && filter.category !== 'all') void matching.andWhere('category', filter.category);
  if (filter.classification === undefined) void matching.andWhereNot('classification', 'beta');
  else void matching.andWhere('classification', filter.classification);
  if (filter.search !== undefined) void matching.andWhereRaw(`lower(name || ' ' || description) LIKE ? ESCAPE '\\'`, [`%${escapeLike(filter.search.toLowerCase())}%`]);
  const counted = await matching.clone().count<{ count: number | string }[]>({ count: '*' });
  const rows = await matching.clone().orderBy([orders[filter.sort], 'miniapp_id']).limit(filter.limit).offset(filter.offset);
  return { apps: rows.map(miniappFromRow), total: Number(counted[0]?.count ?? 0) };
}

export interface LaunchSession {
  readonly sessionId: string;
  readonly miniappId: MiniAppId;
  readonly userId: UserId;
  readonly roomId: RoomId | undefined;
  readonly source: string;
  readonly launchParams: object;
  readonly eventId: string | undefined;
  readonly launchedAt: number;
}

/** False when there is a session of that name already. */
export async function insertLaunchSession(db: Queryable, session: LaunchSession): Promise<boolean> {
  const rows = await db
    .sql('launch_session')
    .insert({
      session_id: session.sessionId,
      miniapp_id: session.miniappId,
      user_id: session.userId,
      room_id: session.roomId ?? null,
      source: session.source,
      launch_params: JSON.stringify(session.launchParams),
      event_id: session.eventId ?? null,
      launched_at: session.launchedAt,
    })
    .onConflict('session_id')
    .ignore()
    .returning<object[]>('session_id');
  return rows.length === 1;
}

/** Whether the app was launched in the room since `since`: then the room has its present state already, if it may. */
export async function wasLaunchedIn(db: Queryable, roomId: RoomId, miniappId: MiniAppId, since: number): Promise<boolean> {
  return (await db.sql('launch_session').where({ room_id: roomId, miniapp_id: miniappId }).andWhere('launched_at', '>=', since).first('session_id')) !== undefined;
}
