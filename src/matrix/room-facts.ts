import type { Clock } from '../kernel/clock.ts';
import { asRoomId, isRoomId, type RoomId } from '../kernel/ids.ts';
import { isErrcode, path, type Homeserver } from './homeserver.ts';
import type { RoomProfile } from './port.ts';

export interface RoomFactsDependencies {
  readonly clock: Clock;
  readonly homeserver: Homeserver;
}

export interface RoomNature {
  /** Anybody may join: being in it together says nothing. */
  readonly isPublic: boolean;
  readonly isEncrypted: boolean;
}

/** Decision D18. */
const lifetimeMs = 5 * 60_000;
/** Of the list of rooms: one request, and a room that we were just invited to has to work soon. */
const listLifetimeMs = 15_000;
const maxCachedRooms = 1000;

/** Answers of the homeserver that mean that we are not in this room, or there is none. */
const isNotOurs = (error: unknown): boolean => isErrcode(error, 'M_FORBIDDEN', 'M_NOT_FOUND', 'M_UNKNOWN', 'M_INVALID_PARAM');

/** What was asked a moment ago, by room. */
class Remembered<Value> {
  readonly #values = new Map<RoomId, { readonly until: number; readonly value: Value }>();
  readonly #clock: Clock;
  constructor(clock: Clock) {
    this.#clock = clock;
  }
  get(roomId: RoomId): Value | undefined {
    const known = this.#values.get(roomId);
    return known !== undefined && known.until > this.#clock.now() ? known.value : undefined;
  }
  set(roomId: RoomId, value: Value): Value {
    if (this.#values.size >= maxCachedRooms) this.#values.delete(this.#values.keys().next().value!);
    this.#values.set(roomId, { until: this.#clock.now() + lifetimeMs, value });
    return value;
  }
  forget(roomId: RoomId): void {
    this.#values.delete(roomId);
  }
}

/** Rooms that our bot is in, as the homeserver knows them, at most five minutes old (decision D18). Throws HomeserverUnreachable. */
export class RoomFacts {
  readonly #deps: RoomFactsDependencies;
  readonly #members: Remembered<ReadonlyMap<string, RoomProfile>>;
  readonly #natures: Remembered<RoomNature>;
  #joined: { readonly until: number; readonly rooms: readonly RoomId[] } | undefined;

  constructor(deps: RoomFactsDependencies) {
    this.#deps = deps;
    this.#members = new Remembered(deps.clock);
    this.#natures = new Remembered(deps.clock);
  }

  /** Who is joined, with their names there; undefined where our bot is not. `wanting` names those whose absence is asked about anew. */
  async membersOf(roomId: RoomId, wanting: readonly string[] = [], askAnew = false): Promise<ReadonlyMap<string, RoomProfile> | undefined> {
    const known = this.#members.get(roomId);
    if (!askAnew && known !== undefined && wanting.every((userId) => known.has(userId))) return known;
    try {
      const { joined } = await this.#deps.homeserver.request<{ joined: Record<string, { display_name?: string | null; avatar_url?: string | null }> }>('GET', path.joinedMembers(roomId));
      return this.#members.set(roomId, new Map(Object.entries(joined).map(([userId, { display_name: displayName, avatar_url: avatarUrl }]) => [userId, { displayName: displayName ?? undefined, avatarUrl: avatarUrl ?? undefined }])));
    } catch (error) {
      if (isNotOurs(error)) return undefined;
      throw error;
    }
  }

  async natureOf(roomId: RoomId): Promise<RoomNature> {
    const known = this.#natures.get(roomId);
    if (known !== undefined) return known;
    const [rules, encryption] = await Promise.all([this.#state(roomId, 'm.room.join_rules'), this.#state(roomId, 'm.room.encryption')]);
    return this.#natures.set(roomId, { isPublic: rules?.join_rule === 'public', isEncrypted: encryption !== undefined });
  }

  /** Rooms that our bot is in. */
  async joinedRooms(): Promise<readonly RoomId[]> {
    const now = this.#deps.clock.now();
    if (this.#joined !== undefined && this.#joined.until > now) return this.#joined.rooms;
    const { joined_rooms: rooms } = await this.#deps.homeserver.request<{ joined_rooms: string[] }>('GET', path.joinedRooms);
    this.#joined = { until: now + listLifetimeMs, rooms: rooms.filter(isRoomId).map(asRoomId) };
    return this.#joined.rooms;
  }

  /** Somebody joined or left: what was remembered of this room no longer holds. */
  forgetMembers(roomId: RoomId): void {
    this.#members.forget(roomId);
    if (this.#joined?.rooms.includes(roomId) === false) this.#joined = undefined;
  }

  forgetNature(roomId: RoomId): void {
    this.#natures.forget(roomId);
  }

  async #state(roomId: RoomId, type: string): Promise<Record<string, unknown> | undefined> {
    try {
      return await this.#deps.homeserver.request<Record<string, unknown>>('GET', path.state(roomId, type, ''));
    } catch (error) {
      if (isErrcode(error, 'M_NOT_FOUND')) return undefined;
      throw error;
    }
  }
}
