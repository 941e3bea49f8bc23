import { Park, type Job, type Recording } from '../jobs/index.ts';
import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { serverNameOf, type UserId } from '../kernel/ids.ts';
import { isErrcode, path, type Homeserver } from './homeserver.ts';
import type { OwnNames } from './identity.ts';
import type { InboundJob } from './inbox.ts';
import type { InboundEvent, RoomEvents } from './port.ts';
import { noteEncryptedRoom } from './repo.ts';
import type { RoomFacts } from './room-facts.ts';

export interface MembershipDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly homeserver: Homeserver;
  readonly names: OwnNames;
  readonly events: RoomEvents;
  readonly facts: Pick<RoomFacts, 'forgetNature'>;
  /** Follow invitations of users of this homeserver; those of others are always declined. */
  readonly followInvites: boolean;
}

const encryptionNotice =
  'This room is encrypted. I cannot read what is written here, so commands for mini-apps have to come from an app or over HTTPS. What I report appears unencrypted, with ids and states but without amounts.';

/** Follows or declines invitations to our users, and tells encrypted rooms once what that means. */
export function membershipHandlers(deps: MembershipDependencies): Record<string, (job: Job) => Promise<Recording | void>> {
  const { homeserver, names, events, clock } = deps;

  const answerInvite = async (event: InboundEvent, invited: UserId): Promise<void> => {
    const welcome = deps.followInvites && serverNameOf(event.sender) === names.domain;
    try {
      if (welcome) await homeserver.ensureJoined(event.roomId, invited);
      else await homeserver.request('POST', path.leave(event.roomId), { as: invited, body: {} });
    } catch (error) {
      // The invitation was withdrawn meanwhile, or the room is gone.
      if (!isErrcode(error, 'M_FORBIDDEN', 'M_NOT_FOUND', 'M_UNKNOWN')) throw error;
    }
  };

  const explainEncryption = (event: InboundEvent): Recording => async (tx) => {
    if (!(await noteEncryptedRoom(tx, event.roomId, clock.now()))) return;
    events.emit(tx, { place: { room: event.roomId }, speaker: 'bot', type: 'm.room.message', content: { msgtype: 'm.notice', body: encryptionNotice }, optional: true });
  };

  const isEncrypted = async (event: InboundEvent): Promise<boolean> => {
    try {
      await homeserver.request('GET', path.state(event.roomId, 'm.room.encryption', ''));
      return true;
    } catch (error) {
      if (isErrcode(error, 'M_NOT_FOUND', 'M_FORBIDDEN')) return false;
      throw error;
    }
  };

  return {
    'm.room.member': async (job) => {
      const { event } = job.body as InboundJob;
      if (event.stateKey === undefined) throw new Park('a membership without a state key');
      const userId = event.stateKey as UserId;
      if (event.content.membership === 'invite') return answerInvite(event, userId);
      if (event.content.membership === 'join' && userId === names.bot && (await isEncrypted(event))) return explainEncryption(event);
      return undefined;
    },
    'm.room.encryption': async (job) => {
      const { event } = job.body as InboundJob;
      deps.facts.forgetNature(event.roomId);
      return event.stateKey === '' ? explainEncryption(event) : undefined;
    },
  };
}
