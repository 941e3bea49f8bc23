import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { asRoomId, type RoomId, type UserId } from '../kernel/ids.ts';
import { HomeserverUnreachable, isErrcode, path, type Homeserver } from './homeserver.ts';
import type { OwnNames } from './identity.ts';
import { maySetState } from './power.ts';
import type { Rooms } from './port.ts';
import type { RoomFacts } from './room-facts.ts';
import { findOwnRoom, forgetOwnRoom, isOwnRoom, saveOwnRoom, type Purpose } from './repo.ts';

export interface RoomsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly homeserver: Homeserver;
  readonly names: OwnNames;
  readonly facts: RoomFacts;
  /** Keyed hash: an alias must not tell strangers whose notice room it is. */
  readonly aliasHash: (userId: UserId) => string;
}

interface StateEvent {
  readonly type: string;
  readonly state_key: string;
  readonly sender: string;
  readonly content: Record<string, unknown>;
}

const notAllowed = (): AppError => new AppError('ROOM_NOT_ALLOWED', 'This room cannot be used here');

/** Without an answer there is no yes and no no. */
async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof HomeserverUnreachable) throw new AppError('SERVICE_UNAVAILABLE', 'The homeserver cannot be asked about this room just now', { retryAfterMs: 5000, cause: error });
    throw error;
  }
}

/** What every member may read and only we may change. */
const ownPowerLevels = { users_default: 0, state_default: 100, ban: 100, kick: 100, redact: 100, invite: 100, notifications: { room: 100 } };

/** The server's own rooms, made once and found again, and questions about other people's rooms. */
export class OwnRooms implements Rooms {
  readonly #deps: RoomsDependencies;

  constructor(deps: RoomsDependencies) {
    this.#deps = deps;
  }

  /** The room `#_tmcp_store`: created, or found again by its alias when its row was lost. `isNew` when it must be filled. */
  async catalogue(): Promise<{ roomId: RoomId; isNew: boolean }> {
    const { names } = this.#deps;
    return this.#ensure('catalogue', names.catalogueAlias, {
      preset: 'public_chat',
      name: 'Mini-app catalogue',
      topic: 'Every mini-app of this homeserver, as room state of type m.tween.miniapp.app',
      power_level_content_override: { ...ownPowerLevels, events_default: 100 },
    });
  }

  /** The direct chat between the bot and a user; the user is invited again when they have left. */
  async noticesOf(userId: UserId): Promise<RoomId> {
    const { names, aliasHash } = this.#deps;
    const { roomId, isNew } = await this.#ensure(`notice:${userId}`, `#_tmcp_notice_${aliasHash(userId)}:${names.domain}`, {
      preset: 'private_chat',
      is_direct: true,
      name: 'Mini-apps',
      invite: [userId],
      power_level_content_override: { ...ownPowerLevels, events_default: 0 },
    });
    if (isNew || (await this.#inviteIfGone(roomId, userId))) return roomId;
    await this.lost(roomId);
    return this.noticesOf(userId);
  }

  /** Whether our bot is still in a room: someone with power over the homeserver may have closed it. */
  async hasBot(roomId: RoomId): Promise<boolean> {
    const { joined_rooms: joined } = await this.#deps.homeserver.request<{ joined_rooms: string[] }>('GET', path.joinedRooms);
    return joined.includes(roomId);
  }

  /** Whether a caller may name this room (decision D22): it is not ours, and both of us are in it. */
  async mayName(roomId: RoomId, userId: UserId): Promise<boolean> {
    return !(await isOwnRoom(this.#deps.database, roomId)) && (await this.isJoined(roomId, userId));
  }

  async requireJoined(roomId: RoomId, userId: UserId): Promise<void> {
    if (!(await asking(() => this.mayName(roomId, userId)))) throw notAllowed();
  }

  maySetState(roomId: RoomId, userId: UserId, type: string): Promise<boolean> {
    return asking(() => maySetState(this.#deps.homeserver, roomId, [userId, this.#deps.names.bot], type));
  }

  /** As the homeserver knows it, at most five minutes old (decision D18). False too where our bot is not joined. */
  async isJoined(roomId: RoomId, userId: UserId): Promise<boolean> {
    return (await this.#deps.facts.membersOf(roomId, [userId]))?.has(userId) ?? false;
  }

  /** The homeserver says that we are no longer in this room of ours: the next use makes or finds another. */
  async lost(roomId: RoomId): Promise<void> {
    await forgetOwnRoom(this.#deps.database, roomId);
  }

  async #ensure(purpose: Purpose, alias: string, creation: object): Promise<{ roomId: RoomId; isNew: boolean }> {
    const { database, clock } = this.#deps;
    const known = await findOwnRoom(database, purpose);
    if (known !== undefined) return { roomId: known, isNew: false };
    const roomId = await this.#createOrFind(alias, creation);
    await saveOwnRoom(database, purpose, roomId, clock.now());
    return { roomId, isNew: true };
  }

  /** The alias makes creation atomic: of two attempts, in whatever processes, one makes the room and the other finds it. */
  async #createOrFind(alias: string, creation: object): Promise<RoomId> {
    const { homeserver, names } = this.#deps;
    await homeserver.ensureRegistered(names.bot);
    try {
      return await this.#create(alias, creation);
    } catch (error) {
      if (!isErrcode(error, 'M_ROOM_IN_USE')) throw error;
    }
    const { room_id: found } = await homeserver.request<{ room_id: string }>('GET', path.alias(alias));
    if (await this.#isOursToUse(found)) return asRoomId(found);
    await homeserver.request('DELETE', path.alias(alias));
    return this.#create(alias, creation);
  }

  async #create(alias: string, creation: object): Promise<RoomId> {
    const { homeserver } = this.#deps;
    const created = await homeserver.request<{ room_id: string }>('POST', path.createRoom, { body: { ...creation, room_alias_name: alias.slice(1, alias.indexOf(':')), visibility: 'private' } });
    return asRoomId(created.room_id);
  }

  /** Only a room that our own bot created, and is still in, is adopted (decision D11). */
  async #isOursToUse(roomId: string): Promise<boolean> {
    const { homeserver, names } = this.#deps;
    try {
      const state = await homeserver.request<StateEvent[]>('GET', path.allState(roomId));
      const joined = state.some((event) => event.type === 'm.room.member' && event.state_key === names.bot && event.content.membership === 'join');
      return joined && state.some((event) => event.type === 'm.room.create' && event.sender === names.bot);
    } catch (error) {
      if (isErrcode(error, 'M_FORBIDDEN', 'M_NOT_FOUND')) return false;
      throw error;
    }
  }

  /** False when the room itself is gone. */
  async #inviteIfGone(roomId: RoomId, userId: UserId): Promise<boolean> {
    const { homeserver } = this.#deps;
    try {
      const { membership } = await homeserver.request<{ membership?: string }>('GET', path.state(roomId, 'm.room.member', userId));
      if (membership === 'join' || membership === 'invite') return true;
      await homeserver.request('POST', path.invite(roomId), { body: { user_id: userId } });
      return true;
    } catch (error) {
      if (isErrcode(error, 'M_FORBIDDEN', 'M_NOT_FOUND') && !(await this.hasBot(roomId))) return false;
      throw error;
    }
  }
}
