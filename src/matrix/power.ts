import type { RoomId, UserId } from '../kernel/ids.ts';
import { isErrcode, path, type Homeserver } from './homeserver.ts';

interface PowerLevels {
  readonly users?: Readonly<Record<string, unknown>>;
  readonly users_default?: unknown;
  readonly events?: Readonly<Record<string, unknown>>;
  readonly state_default?: unknown;
  readonly events_default?: unknown;
  readonly invite?: unknown;
  readonly redact?: unknown;
}
interface CreateEvent {
  readonly sender?: string;
  readonly content?: { readonly room_version?: string; readonly additional_creators?: readonly string[] };
}

/** From this room version on creators are above all levels. */
const creatorsOutrank = 12;
/** Levels were once also written as text. */
const levelOf = (value: unknown, otherwise: number): number => (typeof value === 'number' || (typeof value === 'string' && /^-?\d+$/.test(value)) ? Number(value) : otherwise);

type StateReader = <T>(eventType: string, query?: Readonly<Record<string, string>>) => Promise<T | undefined>;

const readerOf =
  (homeserver: Homeserver, roomId: RoomId): StateReader =>
  async <T>(eventType: string, query?: Readonly<Record<string, string>>) => {
    try {
      return await homeserver.request<T>('GET', path.state(roomId, eventType, ''), query === undefined ? {} : { query });
    } catch (error) {
      if (isErrcode(error, 'M_NOT_FOUND', 'M_FORBIDDEN')) return undefined;
      throw error;
    }
  };

/** Who is above all levels of the room, by its version. */
async function outrankingCreators(state: StateReader): Promise<ReadonlySet<string | undefined>> {
  const create = await state<CreateEvent>('m.room.create', { format: 'event' });
  return Number(create?.content?.room_version) >= creatorsOutrank ? new Set([create?.sender, ...(create?.content?.additional_creators ?? [])]) : new Set();
}

/** Whether all of these users may set state of this type in the room, by its power levels. */
export async function maySetState(homeserver: Homeserver, roomId: RoomId, users: readonly UserId[], type: string): Promise<boolean> {
  const state = readerOf(homeserver, roomId);
  const levels = await state<PowerLevels>('m.room.power_levels');
  const needed = levelOf(levels?.events?.[type] ?? levels?.state_default, 50);
  const short = users.filter((userId) => levelOf(levels?.users?.[userId] ?? levels?.users_default, 0) < needed);
  if (short.length === 0) return true;
  const creators = await outrankingCreators(state);
  return short.every((userId) => creators.has(userId));
}

/** What a member of a room is there and may do. */
export interface RoomStanding {
  readonly role: 'admin' | 'moderator' | 'member';
  readonly maySend: boolean;
  readonly mayInvite: boolean;
  /** Remove what others wrote: Matrix lets nobody change it. */
  readonly mayRedact: boolean;
}

/** The member's standing by the room's power levels; undefined where they are not to be read. The names of roles are those that clients give to the levels 100 and 50. */
export async function standingOf(homeserver: Homeserver, roomId: RoomId, userId: UserId): Promise<RoomStanding | undefined> {
  const state = readerOf(homeserver, roomId);
  const levels = await state<PowerLevels>('m.room.power_levels');
  if (levels === undefined) return undefined;
  const level = (await outrankingCreators(state)).has(userId) ? Infinity : levelOf(levels.users?.[userId] ?? levels.users_default, 0);
  return {
    role: level >= 100 ? 'admin' : level >= 50 ? 'moderator' : 'member',
    maySend: level >= levelOf(levels.events?.['m.room.message'] ?? levels.events_default, 0),
    mayInvite: level >= levelOf(levels.invite, 0),
    mayRedact: level >= levelOf(levels.redact, 50),
  };
}
