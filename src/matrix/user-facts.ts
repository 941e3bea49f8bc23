import type { Clock } from '../kernel/clock.ts';
import { asRoomId, asUserId, type RoomId, type UserId } from '../kernel/ids.ts';
import { createQuickLookup } from '../kernel/quick-lookup.ts';
import { isErrcode, path, type Homeserver } from './homeserver.ts';
import type { RoomProfile } from './port.ts';
import { standingOf, type RoomStanding } from './power.ts';

export interface UserFacts {
  /** How the user is called; undefined when the homeserver does not say so quickly. */
  profileOf(userId: UserId): Promise<RoomProfile | undefined>;
  /** What the user is and may do in a room; undefined when the homeserver does not say so quickly. */
  standingOf(userId: UserId, roomId: RoomId): Promise<RoomStanding | undefined>;
}

/** As old as what is remembered of rooms (decision D18). */
const lifetimeMs = 5 * 60_000;
const retryMs = 30_000;
/** A token must not wait for it. */
const waitMs = 300;
const maxEntries = 10_000;

/** What tokens say about users for display (specification sections 4.10 and 5.7), asked of the homeserver. */
export function createUserFacts({ clock, homeserver }: { readonly clock: Clock; readonly homeserver: Homeserver }): UserFacts {
  const options = { clock, lifetimeMs, retryMs, waitMs, maxEntries };
  const profiles = createQuickLookup<RoomProfile>(options, async (userId) => {
    try {
      const { displayname, avatar_url: avatarUrl } = await homeserver.request<{ displayname?: unknown; avatar_url?: unknown }>('GET', path.profile(userId));
      return { displayName: typeof displayname === 'string' ? displayname : undefined, avatarUrl: typeof avatarUrl === 'string' ? avatarUrl : undefined };
    } catch (error) {
      if (isErrcode(error, 'M_NOT_FOUND', 'M_FORBIDDEN')) return undefined;
      throw error;
    }
  });
  // Room ids have no spaces.
  const standings = createQuickLookup<RoomStanding>(options, (key) => {
    const [roomId = '', userId = ''] = key.split(' ');
    return standingOf(homeserver, asRoomId(roomId), asUserId(userId));
  });
  return { profileOf: (userId) => profiles(userId), standingOf: (userId, roomId) => standings(`${roomId} ${userId}`) };
}
