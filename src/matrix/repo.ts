import type { Queryable, Transaction } from '../database/index.ts';
import { asRoomId, type EventId, type RoomId, type UserId } from '../kernel/ids.ts';

export type Purpose = 'catalogue' | 'administrators' | `notice:${UserId}`;

export async function findOwnRoom(db: Queryable, purpose: Purpose): Promise<RoomId | undefined> {
  const row = await db.sql<{ purpose: string; room_id: string }>('own_room').where({ purpose }).first('room_id');
  return row === undefined ? undefined : asRoomId(row.room_id);
}

export async function isOwnRoom(db: Queryable, roomId: RoomId): Promise<boolean> {
  return (await db.sql('own_room').where({ room_id: roomId }).first('purpose')) !== undefined;
}

export async function saveOwnRoom(db: Queryable, purpose: Purpose, roomId: RoomId, now: number): Promise<void> {
  await db.sql('own_room').insert({ purpose, room_id: roomId, created_at: now }).onConflict('purpose').merge(['room_id', 'created_at']);
}

export async function forgetOwnRoom(db: Queryable, roomId: RoomId): Promise<void> {
  await db.sql('own_room').where({ room_id: roomId }).delete();
}

export async function findVirtualUserName(db: Queryable, userId: UserId): Promise<string | undefined> {
  return (await db.sql<{ user_id: string; display_name: string }>('virtual_user').where({ user_id: userId }).first('display_name'))?.display_name;
}

export async function saveVirtualUser(db: Queryable, userId: UserId, displayName: string, now: number): Promise<void> {
  await db.sql('virtual_user').insert({ user_id: userId, display_name: displayName, updated_at: now }).onConflict('user_id').merge();
}

/** True when this room's members have not been told yet; false ever after. */
export async function noteEncryptedRoom(db: Queryable, roomId: RoomId, now: number): Promise<boolean> {
  const rows = await db.sql('encrypted_room').insert({ room_id: roomId, told_at: now }).onConflict('room_id').ignore().returning<object[]>('room_id');
  return rows.length === 1;
}

export async function isKnownEncrypted(db: Queryable, roomId: RoomId): Promise<boolean> {
  return (await db.sql('encrypted_room').where({ room_id: roomId }).first('room_id')) !== undefined;
}

/** The place is that of the queue: a room, or somebody's notices, whichever room those are in. */
export async function saveSentEvent(db: Queryable, place: string, name: string, eventId: EventId): Promise<void> {
  await db.sql('sent_event').insert({ place, name, event_id: eventId }).onConflict(['place', 'name']).ignore();
}

export async function findSentEvent(db: Queryable, place: string, name: string): Promise<EventId | undefined> {
  return (await db.sql<{ place: string; name: string; event_id: EventId }>('sent_event').where({ place, name }).first('event_id'))?.event_id;
}

/** No caller may name it (decision D22); undefined: there is none. */
export async function setAdministratorsRoom(tx: Transaction, roomId: RoomId | undefined, now: number): Promise<void> {
  if (roomId === undefined) await tx.sql('own_room').where({ purpose: 'administrators' }).delete();
  else await saveOwnRoom(tx, 'administrators', roomId, now);
}
