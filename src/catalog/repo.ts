import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asMiniAppId, asRoomId, asUserId, type MiniAppId, type RoomId, type UserId } from '../kernel/ids.ts';
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
  const row = await db.sql<InstallationRow>('installation').where({ user_id: userId, miniapp_id: miniappId }).first();
  return row === undefined ? undefined : installationFromRow(row);
}

/** The row is locked until the transaction ends. */
export async function lockInstallation(tx: Transaction, userId: UserId, miniappId: MiniAppId): Promise<Installation | undefined> {
  const query = tx.sql<InstallationRow>('installation').where({ user_id: userId, miniapp_id: miniappId }).first();
  const row = await (tx.dialect === 'postgres' ? query.forNoKeyUpdate() : query);
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

/** Forgets up to `limit` sessions that began before `before`. Returns how many there were. */
export async function deleteLaunchSessionsBefore(tx: Transaction, before: number, limit: number): Promise<number> {
  return tx.sql('launch_session').whereIn('session_id', tx.sql('launch_session').where('launched_at', '<', before).orderBy('launched_at').limit(limit).select('session_id')).delete();
}

/** What is known of a user's sessions in an app. */
export async function deleteLaunchSessions(tx: Transaction, userId: UserId, miniappId: MiniAppId): Promise<void> {
  await tx.sql('launch_session').where({ user_id: userId, miniapp_id: miniappId }).delete();
}

interface RoomRow {
  miniapp_id: string;
  user_id: string;
  room_id: string;
  widget: number;
}

/** Remembers that the user installed the app into the room. True when that, or the widget, is new. */
export async function addRoomInstallation(tx: Transaction, userId: UserId, miniappId: MiniAppId, roomId: RoomId, widget: boolean): Promise<{ isNew: boolean; isNewWidget: boolean }> {
  const key = { miniapp_id: miniappId, user_id: userId, room_id: roomId };
  const inserted = await tx.sql('catalog_room').insert({ ...key, widget: widget ? 1 : 0 }).onConflict(['miniapp_id', 'user_id', 'room_id']).ignore().returning<object[]>('room_id');
  if (inserted.length === 1) return { isNew: true, isNewWidget: widget };
  const raised = widget ? await tx.sql('catalog_room').where({ ...key, widget: 0 }).update({ widget: 1 }) : 0;
  return { isNew: false, isNewWidget: raised === 1 };
}

/** Forgets the rooms that the user installed the app into; `lastWidget` where nobody else wants its widget. */
export async function takeRoomInstallations(tx: Transaction, userId: UserId, miniappId: MiniAppId): Promise<{ roomId: RoomId; lastWidget: boolean }[]> {
  const rows = await runSql<RoomRow>(tx, 'DELETE FROM catalog_room WHERE miniapp_id = ? AND user_id = ? RETURNING room_id, widget', [miniappId, userId]);
  const others = new Set(rows.length === 0 ? [] : await tx.sql<RoomRow>('catalog_room').where({ miniapp_id: miniappId, widget: 1 }).whereIn('room_id', rows.map(({ room_id }) => room_id)).pluck('room_id'));
  return rows.map((row) => ({ roomId: asRoomId(row.room_id), lastWidget: row.widget === 1 && !others.has(row.room_id) }));
}

export async function hasWidgets(db: Queryable, miniappId: MiniAppId): Promise<boolean> {
  return (await runSql(db, 'SELECT 1 AS there FROM catalog_room WHERE miniapp_id = ? AND widget = 1 LIMIT 1', [miniappId])).length === 1;
}

/** Rooms that show the app as a widget behind `after`, each with one of those who put it there. */
export async function listWidgetRooms(db: Queryable, miniappId: MiniAppId, after: string, limit: number): Promise<{ readonly roomId: RoomId; readonly userId: UserId }[]> {
  const rows = await runSql<{ room_id: string; user_id: string }>(db, 'SELECT room_id, min(user_id) AS user_id FROM catalog_room WHERE miniapp_id = ? AND widget = 1 AND room_id > ? GROUP BY room_id ORDER BY room_id LIMIT ?', [miniappId, after, limit]);
  return rows.map(({ room_id: roomId, user_id: userId }) => ({ roomId: asRoomId(roomId), userId: asUserId(userId) }));
}

/** The app stays installed in these rooms, without a widget. */
export async function forgetWidgets(tx: Transaction, miniappId: MiniAppId, rooms: readonly RoomId[]): Promise<void> {
  if (rooms.length > 0) await tx.sql('catalog_room').where({ miniapp_id: miniappId }).whereIn('room_id', [...rooms]).update({ widget: 0 });
}
