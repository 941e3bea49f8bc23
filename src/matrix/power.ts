import type { RoomId, UserId } from '../kernel/ids.ts';
import { isErrcode, path, type Homeserver } from './homeserver.ts';

interface PowerLevels {
  readonly users?: Readonly<Record<string, unknown>>;
  readonly users_default?: unknown;
  readonly events?: Readonly<Record<string, unknown>>;
  readonly state_default?: unknown;
}
interface CreateEvent {
  readonly sender?: string;
  readonly content?: { readonly room_version?: string; readonly additional_creators?: readonly string[] };
}

/** From this room version on creators are above all levels. */
const creatorsOutrank = 12;
/** Levels were once also written as text. */
const levelOf = (value: unknown, otherwise: number): number => (typeof value === 'number' || (typeof value === 'string' && /^-?\d+$/.test(value)) ? Number(value) : otherwise);

/** Whether all of these users may set state of this type in the room, by its power levels. */
export async function maySetState(homeserver: Homeserver, roomId: RoomId, users: readonly UserId[], type: string): Promise<boolean> {
  const state = async <T>(eventType: string, query?: Readonly<Record<string, string>>): Promise<T | undefined> => {
    try {
      return await homeserver.request<T>('GET', path.state(roomId, eventType, ''), query === undefined ? {} : { query });
    } catch (error) {
      if (isErrcode(error, 'M_NOT_FOUND', 'M_FORBIDDEN')) return undefined;
      throw error;
    }
  };
  const levels = await state<PowerLevels>('m.room.power_levels');
  const needed = levelOf(levels?.events?.[type] ?? levels?.state_default, 50);
  const short = users.filter((userId) => levelOf(levels?.users?.[userId] ?? levels?.users_default, 0) < needed);
  if (short.length === 0) return true;
  const create = await state<CreateEvent>('m.room.create', { format: 'event' });
  if (!(Number(create?.content?.room_version) >= creatorsOutrank)) return false;
  const creators = new Set([create?.sender, ...(create?.content?.additional_creators ?? [])]);
  return short.every((userId) => creators.has(userId));
}
