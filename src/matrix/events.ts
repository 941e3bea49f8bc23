import type { Transaction } from '../database/index.ts';
import type { JobQueue } from '../jobs/index.ts';
import type { UserId } from '../kernel/ids.ts';
import type { OutboundEvent, Place, RoomEvents } from './port.ts';
import { findSentEvent, saveSentEvent } from './repo.ts';

export const jobKind = { event: 'matrix.event', profile: 'matrix.profile', catalogue: 'matrix.catalogue', received: 'inbound.received', inbound: 'inbound.event' } as const;

/** Bodies of this adapter's jobs. */
export interface EventJob {
  readonly event: OutboundEvent;
}
export interface ProfileJob {
  readonly userId: UserId;
  readonly displayName: string;
}

export const catalogueStream = 'catalogue';

/** Jobs of one place run one after another. */
export function streamOf(place: Place): string {
  if ('room' in place) return `room:${place.room}`;
  return 'noticesOf' in place ? `notices:${place.noticesOf}` : catalogueStream;
}

export function createRoomEvents(queue: JobQueue): RoomEvents {
  return {
    emit(tx: Transaction, event: OutboundEvent) {
      queue.enqueue(tx, { stream: streamOf(event.place), kind: jobKind.event, body: { event } satisfies EventJob });
    },
    findEventId: (db, place, name) => findSentEvent(db, streamOf(place), name),
    remember: (tx, place, name, eventId) => saveSentEvent(tx, streamOf(place), name, eventId),
    ensureProfile(tx, userId, displayName) {
      queue.enqueue(tx, { stream: `profile:${userId}`, kind: jobKind.profile, body: { userId, displayName } satisfies ProfileJob });
    },
  };
}
