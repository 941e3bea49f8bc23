import type { Database } from '../database/index.ts';
import type { JobQueue } from '../jobs/index.ts';
import { isEventId, isRoomId, isUserId } from '../kernel/ids.ts';
import { jobKind } from './events.ts';
import type { OwnNames } from './identity.ts';
import type { InboundEvent } from './port.ts';

/** Body of an `inbound.event` job. */
export interface InboundJob {
  readonly event: InboundEvent;
}

export interface Inbox {
  /** Commits what concerns us of a homeserver transaction; an event that is known already is a no-op (decision D12). Returns the number of events that concern us. */
  accept(transaction: unknown): Promise<number>;
}

export interface InboxDependencies {
  readonly database: Database;
  readonly queue: JobQueue;
  readonly names: OwnNames;
  /** Types of events that somebody handles. */
  readonly types: ReadonlySet<string>;
  /** Called for each change of a room's membership, before anything is stored. */
  readonly onMembership: (event: InboundEvent) => void;
  readonly onReceived?: (counts: { readonly events: number; readonly accepted: number; readonly ephemeral: number }) => void;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Undefined for what is no room event: it could not be answered either, so it is left out rather than parked. */
export function readEvent(raw: unknown): InboundEvent | undefined {
  if (!isObject(raw)) return undefined;
  const { type, event_id: eventId, room_id: roomId, sender, content, state_key: stateKey } = raw;
  if (typeof type !== 'string' || !type.isWellFormed() || !isEventId(eventId) || !isRoomId(roomId) || !isUserId(sender) || !isObject(content)) return undefined;
  return { type, eventId, roomId, sender, stateKey: typeof stateKey === 'string' ? stateKey : undefined, content };
}

/** Membership concerns us when it is that of one of ours; of other events, the types that have a handler and that others sent. */
function concernsUs(event: InboundEvent, { types, names }: InboxDependencies): boolean {
  if (event.type === 'm.room.member') return event.stateKey !== undefined && isUserId(event.stateKey) && names.isOurs(event.stateKey);
  return types.has(event.type) && !names.isOurs(event.sender);
}

export function createInbox(deps: InboxDependencies): Inbox {
  return {
    async accept(transaction) {
      const { events, ephemeral } = readTransaction(transaction);
      const accepted = events.flatMap((raw) => {
        const event = readEvent(raw);
        if (event === undefined) return [];
        if (event.type === 'm.room.member') deps.onMembership(event);
        return concernsUs(event, deps) ? [event] : [];
      });
      if (accepted.length > 0) {
        await deps.database.inTransaction(async (tx) => {
          for (const event of accepted) deps.queue.enqueue(tx, { id: event.eventId, stream: `in:${event.roomId}`, kind: jobKind.inbound, body: { event } satisfies InboundJob });
        });
      }
      deps.onReceived?.({ events: events.length, accepted: accepted.length, ephemeral: ephemeral.length });
      return accepted.length;
    },
  };
}

/** Typing, receipts and presence are pushed under a stable and an older key; they are not kept, so they are only counted. */
function readTransaction(transaction: unknown): { events: readonly unknown[]; ephemeral: readonly unknown[] } {
  const { events, ephemeral, 'de.sorunome.msc2409.ephemeral': unstable } = isObject(transaction) ? transaction : {};
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
  return { events: list(events), ephemeral: [...list(ephemeral), ...list(unstable)] };
}
