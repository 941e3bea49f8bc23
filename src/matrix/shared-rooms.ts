import type { Database } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { RoomId, UserId } from '../kernel/ids.ts';
import { HomeserverError, HomeserverUnreachable } from './homeserver.ts';
import type { SharedRoom, SharedRooms } from './port.ts';
import { isKnownEncrypted, isOwnRoom } from './repo.ts';
import type { RoomFacts } from './room-facts.ts';

/** Rooms asked about at the same time when none is named. */
const batchSize = 8;

const notAllowed = (): AppError => new AppError('ROOM_NOT_ALLOWED', 'This room cannot be used here');

/** Where people meet, for what needs that (decisions D18, D22). */
export function createSharedRooms({ database, facts }: { readonly database: Database; readonly facts: RoomFacts }): SharedRooms {
  /** Undefined unless all are joined and the room counts: it is not ours, and not open to everybody. */
  const look = async (roomId: RoomId, users: readonly UserId[], wanting: readonly UserId[], askAnew = false): Promise<SharedRoom | undefined> => {
    const members = await facts.membersOf(roomId, wanting, askAnew);
    if (members === undefined || !users.every((userId) => members.has(userId))) return undefined;
    if (await isOwnRoom(database, roomId)) return undefined;
    const { isPublic, isEncrypted } = await facts.natureOf(roomId);
    return isPublic ? undefined : { roomId, isEncrypted, members };
  };

  const findAny = async (users: readonly UserId[]): Promise<SharedRoom | undefined> => {
    const rooms = await facts.joinedRooms();
    for (let i = 0; i < rooms.length; i += batchSize) {
      const found = await Promise.all(rooms.slice(i, i + batchSize).map((roomId) => look(roomId, users, [])));
      const shared = found.find((room) => room !== undefined);
      if (shared !== undefined) return shared;
    }
    return undefined;
  };

  return {
    isKnownEncrypted,
    async requireShared(users, roomId, { askAnew = false } = {}) {
      try {
        const shared = roomId === undefined ? await findAny(users) : await look(roomId, users, users, askAnew);
        if (shared === undefined) throw notAllowed();
        return shared;
      } catch (error) {
        if (error instanceof HomeserverUnreachable) throw new AppError('SERVICE_UNAVAILABLE', 'The homeserver cannot be asked about rooms just now', { retryAfterMs: 5000, cause: error });
        // Left or closed between two questions: no shared room.
        if (error instanceof HomeserverError) throw notAllowed();
        throw error;
      }
    },
  };
}
