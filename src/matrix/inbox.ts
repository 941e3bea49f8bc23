import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database, Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import { isEventId, isRoomId, isUserId } from '../kernel/ids.ts';
import { jobKind } from './events.ts';
import type { OwnNames } from './identity.ts';
import type { InboundEvent, RoomMessages } from './port.ts';

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
  /** Messages that somebody handles: those of one room that begin with a word. */
  readonly messages?: Pick<RoomMessages, 'roomId' | 'prefix'> | undefined;
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

const isCommand = ({ roomId, stateKey, content: { body } }: InboundEvent, messages: InboxDependencies['messages']): boolean =>
  messages !== undefined && roomId === messages.roomId && stateKey === undefined && typeof body === 'string' && (body === messages.prefix || body.startsWith(`${messages.prefix} `));

/** Membership concerns us when it is that of one of ours; of other events, the types that have a handler and that others sent. */
function concernsUs(event: InboundEvent, { types, names, messages }: InboxDependencies): boolean {
  if (event.type === 'm.room.message') return isCommand(event, messages) && !names.isOurs(event.sender);
  if (event.type === 'm.room.member') return event.stateKey !== undefined && isUserId(event.stateKey) && names.isOurs(event.stateKey);
  return types.has(event.type) && !names.isOurs(event.sender);
}

/** Deeper than JSON can be written again: no homeserver lets such an event in, and one must not hold up the others. */
function canBeWritten(event: InboundEvent): boolean {
  try {
    JSON.stringify(event);
    return true;
  } catch {
    return false;
  }
}

interface Waiting {
  readonly body: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Transactions that arrive while others are being committed share the next commit, and one job. */
class GroupCommit {
  readonly #deps: InboxDependencies;
  #waiting: Waiting[] = [];
  #running = false;

  constructor(deps: InboxDependencies) {
    this.#deps = deps;
  }

  add(body: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ body, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  #nextGroup(): Waiting[] {
    let bytes = 0;
    const count = this.#waiting.findIndex(({ body }, at) => (bytes += body.length) > maxGroupBytes && at > 0);
    return this.#waiting.splice(0, count === -1 ? this.#waiting.length : count);
  }

  async #run(): Promise<void> {
    const { database, queue } = this.#deps;
    this.#running = true;
    while (this.#waiting.length > 0) {
      // As long as each turn of the event loop brings another request, it joins this group.
      for (let size = 0; size < this.#waiting.length; await nextTurn()) size = this.#waiting.length;
      const group = this.#nextGroup();
      try {
        const stored = pack(group.map(({ body }) => body));
        await database.inTransaction((tx) => {
          queue.enqueue(tx, { stream: 'inbox', kind: jobKind.received, body: stored });
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
  const signs = [...deps.types, 'm.room.member', ...(deps.messages === undefined ? [] : [deps.messages.prefix]), '\\u00'].map((text) => Buffer.from(text));
  return {
    async accept(body) {
      if (cannotBeJson(body)) throw new SyntaxError('not a JSON object');
      if (signs.some((sign) => body.includes(sign))) await commit.add(body);
    },
    takeApart: {
      forgetBody: true,
      run: (job) => {
        const { transactions, unreadable } = readStored(job.body);
        const events = transactions.flatMap((transaction) => transaction.events);
        const accepted = events.flatMap((raw) => {
          const event = readEvent(raw);
          if (event === undefined) return [];
          if (event.type === 'm.room.member') deps.onMembership(event);
          return concernsUs(event, deps) && canBeWritten(event) ? [event] : [];
        });
        deps.onReceived?.({ events: events.length, accepted: accepted.length, ephemeral: transactions.reduce((sum, { ephemeral }) => sum + ephemeral, 0) });
        return Promise.resolve((tx: Transaction) => {
          for (const event of accepted) deps.queue.enqueue(tx, { id: event.eventId, stream: `in:${event.roomId}`, kind: jobKind.inbound, body: { event } satisfies InboundJob });
          for (const body of unreadable) deps.queue.enqueue(tx, { stream: 'inbox:unreadable', kind: jobKind.received, body });
          return Promise.resolve();
        });
      },
    },
  };
}

/** Transactions as they came, in order: compressed as one, because writing their pages costs more. */
interface Packed {
  readonly lengths: readonly number[];
  /** Base64 of the zstd-compressed bodies, end to end. */
  readonly zstd: string;
}

const plainBytes = 4096;
const maxGroupBytes = 1024 * 1024;
const fastest = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

function pack(bodies: readonly Buffer[]): string {
  const [first] = bodies;
  if (first !== undefined && bodies.length === 1 && first.length < plainBytes) return first.toString('utf8');
  const all = first !== undefined && bodies.length === 1 ? first : Buffer.concat(bodies);
  return JSON.stringify({ lengths: bodies.map((body) => body.length), zstd: zstdCompressSync(all, fastest).toString('base64') } satisfies Packed);
}

function unpack({ lengths, zstd }: Packed): string[] {
  const all = zstdDecompressSync(Buffer.from(zstd, 'base64'));
  let end = 0;
  return lengths.map((length) => all.subarray(end, (end += length)).toString('utf8'));
}

const isPacked = (stored: unknown): stored is Packed => isObject(stored) && typeof stored.zstd === 'string' && Array.isArray(stored.lengths);

interface ReceivedTransaction {
  readonly events: readonly unknown[];
  /** Typing, receipts and presence are pushed under a stable and an older key; they are not kept, so they are only counted. */
  readonly ephemeral: number;
}

function readTransaction(transaction: unknown): ReceivedTransaction {
  const { events, ephemeral, 'de.sorunome.msc2409.ephemeral': unstable } = isObject(transaction) ? transaction : {};
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
  return { events: list(events), ephemeral: list(ephemeral).length + list(unstable).length };
}

/** Reads the body of an `inbound.received` job. `unreadable` are the bodies that turn out not to be JSON. */
export function readStored(stored: unknown): { transactions: readonly ReceivedTransaction[]; unreadable: readonly string[] } {
  if (!isPacked(stored)) return { transactions: [readTransaction(stored)], unreadable: [] };
  const transactions: ReceivedTransaction[] = [];
  const unreadable: string[] = [];
  for (const text of unpack(stored)) {
    try {
      transactions.push(readTransaction(JSON.parse(text)));
    } catch {
      unreadable.push(text);
    }
  }
  return { transactions, unreadable };
}
