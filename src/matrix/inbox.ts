import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database, Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import { isEventId, isRoomId, isUserId } from '../kernel/ids.ts';
import { jobKind } from './events.ts';
import type { OwnNames } from './identity.ts';
import type { InboundEvent } from './port.ts';

/** Body of an `inbound.event` job. */
export interface InboundJob {
  readonly event: InboundEvent;
}

export interface Inbox {
  /**
   * Resolves once what concerns us of a homeserver transaction is durable (decision D12); `body` is the request's, unread. It is
   * looked through, not parsed: taking it apart is work for after the answer. Throws a SyntaxError for what can't be JSON.
   */
  accept(body: Buffer): Promise<void>;
  /** Queues each event of a transaction in its room's order; an event that is known already is a no-op. */
  readonly takeApart: JobKind;
}

export interface InboxDependencies {
  readonly database: Database;
  readonly queue: JobQueue;
  readonly names: OwnNames;
  /** Types of events that somebody handles. */
  readonly types: ReadonlySet<string>;
  /** Called for each change of a room's membership. */
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

/** Transactions that arrive while another is being committed share the next commit. */
class GroupCommit {
  readonly #deps: InboxDependencies;
  #waiting: { readonly text: string; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  #running = false;

  constructor(deps: InboxDependencies) {
    this.#deps = deps;
  }

  add(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    const { database, queue } = this.#deps;
    this.#running = true;
    while (this.#waiting.length > 0) {
      // As long as each turn of the event loop brings another request, it joins this group.
      for (let size = 0; size < this.#waiting.length; await nextTurn()) size = this.#waiting.length;
      const group = this.#waiting;
      this.#waiting = [];
      try {
        await database.inTransaction((tx) => {
          for (const { text } of group) queue.enqueue(tx, { stream: 'inbox', kind: jobKind.received, body: text });
          return Promise.resolve();
        });
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#running = false;
  }
}

const [openBrace, closeBrace] = [0x7b, 0x7d];
/** Cheap signs of what is no JSON object; the rest shows when it is taken apart, where it can be parked and blocks nothing. */
const cannotBeJson = (body: Buffer): boolean => body[0] !== openBrace || body[body.length - 1] !== closeBrace || body.includes(0);

export function createInbox(deps: InboxDependencies): Inbox {
  const commit = new GroupCommit(deps);
  // An ASCII character may be written as an escape: then only parsing tells what it says.
  const signs = ['m.room.member', ...deps.types, '\\u00'].map((text) => Buffer.from(text));
  return {
    async accept(body) {
      if (cannotBeJson(body)) throw new SyntaxError('not a JSON object');
      if (signs.some((sign) => body.includes(sign))) await commit.add(body.toString('utf8'));
    },
    takeApart: {
      forgetBody: true,
      run: (job) => {
        const { events, ephemeral } = readTransaction(job.body);
        const accepted = events.flatMap((raw) => {
          const event = readEvent(raw);
          if (event === undefined) return [];
          if (event.type === 'm.room.member') deps.onMembership(event);
          return concernsUs(event, deps) ? [event] : [];
        });
        deps.onReceived?.({ events: events.length, accepted: accepted.length, ephemeral: ephemeral.length });
        return Promise.resolve((tx: Transaction) => {
          for (const event of accepted) deps.queue.enqueue(tx, { id: event.eventId, stream: `in:${event.roomId}`, kind: jobKind.inbound, body: { event } satisfies InboundJob });
          return Promise.resolve();
        });
      },
    },
  };
}

/** Typing, receipts and presence are pushed under a stable and an older key; they are not kept, so they are only counted. */
function readTransaction(transaction: unknown): { events: readonly unknown[]; ephemeral: readonly unknown[] } {
  const { events, ephemeral, 'de.sorunome.msc2409.ephemeral': unstable } = isObject(transaction) ? transaction : {};
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
  return { events: list(events), ephemeral: [...list(ephemeral), ...list(unstable)] };
}
