import { isDeepStrictEqual } from 'node:util';
import { Park, RateLimited, Unavailable, type Job, type JobKind, type Recording } from '../jobs/index.ts';
import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { EventId, RoomId, UserId } from '../kernel/ids.ts';
import { jobKind, streamOf, type EventJob, type ProfileJob } from './events.ts';
import { HomeserverError, HomeserverUnreachable, isErrcode, path, type Homeserver } from './homeserver.ts';
import type { OwnNames } from './identity.ts';
import type { OutboundEvent } from './port.ts';
import { findSentEvent, findVirtualUserName, saveSentEvent, saveVirtualUser } from './repo.ts';
import type { OwnRooms } from './rooms.ts';
import { joiningIfNeeded } from './speech.ts';

export interface SenderDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly homeserver: Homeserver;
  readonly names: OwnNames;
  readonly rooms: OwnRooms;
  /** Called with a catalogue room that was just made or found: writes into `tx` what fills it. */
  readonly fillCatalogue: (tx: Transaction) => Promise<void>;
}

/** How much the homeserver's clock and ours may differ when a timeline is searched. */
const clockSlackMs = 10 * 60_000;
const maxSearchedPages = 30;
const defaultRetryMs = 2000;

/** What a homeserver's answer means for a job. */
export function asJobError(error: unknown): unknown {
  if (error instanceof HomeserverUnreachable || (error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE')) return new Unavailable(error.message);
  if (!(error instanceof HomeserverError)) return error;
  if (error.status === 429) return new RateLimited(error.retryAfterMs ?? defaultRetryMs, error.message);
  return new Park(error.message);
}

interface TimelineEvent {
  readonly event_id: EventId;
  readonly content: Record<string, unknown>;
  readonly origin_server_ts: number;
}

/** The event with this delivery id, if it is in the room already: asked when an earlier attempt's outcome is unknown. */
async function findInTimeline(homeserver: Homeserver, roomId: RoomId, sender: UserId, type: string, deliveryId: string, since: number): Promise<EventId | undefined> {
  const filter = JSON.stringify({ types: [type], senders: [sender] });
  let from: string | undefined;
  for (let page = 0; page < maxSearchedPages; page += 1) {
    const answer = await homeserver.request<{ chunk: TimelineEvent[]; end?: string }>('GET', path.messages(roomId), { as: sender, query: { dir: 'b', limit: '100', filter, ...(from === undefined ? {} : { from }) } });
    const found = answer.chunk.find((event) => event.content.delivery_id === deliveryId);
    if (found !== undefined) return found.event_id;
    const oldest = answer.chunk.at(-1);
    if (answer.end === undefined || (oldest !== undefined && oldest.origin_server_ts < since - clockSlackMs)) return undefined;
    from = answer.end;
  }
  return undefined;
}

/** What both leave to be written. */
const both = (first: Recording | undefined, second: Recording | undefined): Recording | undefined =>
  first === undefined || second === undefined
    ? (first ?? second)
    : async (tx) => {
        await first(tx);
        await second(tx);
      };

class Sender {
  readonly #deps: SenderDependencies;
  constructor(deps: SenderDependencies) {
    this.#deps = deps;
  }

  async send(job: Job): Promise<Recording | void> {
    const { event } = job.body as EventJob;
    const { roomId, recording } = await this.#roomFor(event);
    try {
      return both(recording, await this.#deliver(job, event, roomId));
    } catch (error) {
      if (isErrcode(error, 'M_FORBIDDEN') && event.optional === true) return recording;
      if (isErrcode(error, 'M_FORBIDDEN', 'M_NOT_FOUND') && !('room' in event.place) && !(await this.#deps.rooms.hasBot(roomId))) {
        // Someone with power over the homeserver removed the room: the next try makes another.
        await this.#deps.rooms.lost(roomId);
        throw new Unavailable(`our room ${roomId} is gone`);
      }
      throw error;
    }
  }

  async #roomFor({ place }: OutboundEvent): Promise<{ roomId: RoomId; recording?: Recording }> {
    if ('room' in place) return { roomId: place.room };
    if ('noticesOf' in place) return { roomId: await this.#deps.rooms.noticesOf(place.noticesOf) };
    const { roomId, isNew } = await this.#deps.rooms.catalogue();
    return isNew ? { roomId, recording: this.#deps.fillCatalogue } : { roomId };
  }

  async #deliver(job: Job, event: OutboundEvent, roomId: RoomId): Promise<Recording | undefined> {
    const { names } = this.#deps;
    const sender = names.userOf(event.speaker);
    if (event.stateKey !== undefined) {
      await this.#setState(event, event.stateKey, roomId, sender);
      return undefined;
    }
    const eventId = await this.#sendOnce(job, event, roomId, sender);
    const { remember } = event;
    return remember === undefined ? undefined : (tx) => saveSentEvent(tx, streamOf(event.place), remember, eventId);
  }

  async #sendOnce(job: Job, event: OutboundEvent, roomId: RoomId, sender: UserId): Promise<EventId> {
    const { homeserver } = this.#deps;
    const known = job.unsettledSince === undefined ? undefined : await findInTimeline(homeserver, roomId, sender, event.type, job.id, job.unsettledSince);
    if (known !== undefined) return known;
    const body = { ...event.content, ...(await this.#relationOf(event)), delivery_id: job.id };
    const { event_id: eventId } = await joiningIfNeeded(this.#deps, roomId, sender, () => homeserver.request<{ event_id: EventId }>('PUT', path.send(roomId, event.type, job.id), { as: sender, body }));
    return eventId;
  }

  /** What came before in the same place was sent, and its id recorded, before this event's turn. */
  async #relationOf({ place, relatesTo }: OutboundEvent): Promise<object> {
    const eventId = relatesTo === undefined ? undefined : await findSentEvent(this.#deps.database, streamOf(place), relatesTo);
    return eventId === undefined ? {} : { 'm.relates_to': { rel_type: 'm.reference', event_id: eventId } };
  }

  async #setState(event: OutboundEvent, stateKey: string, roomId: RoomId, sender: UserId): Promise<void> {
    const { homeserver } = this.#deps;
    const where = path.state(roomId, event.type, stateKey);
    const current = await homeserver.request('GET', where, { as: sender }).catch((error: unknown) => {
      if (isErrcode(error, 'M_NOT_FOUND', 'M_FORBIDDEN')) return undefined;
      throw error;
    });
    if (isDeepStrictEqual(current, event.content)) return;
    if (event.replacesOnly === true && (current === undefined || isDeepStrictEqual(current, {}))) return;
    await joiningIfNeeded(this.#deps, roomId, sender, () => homeserver.request('PUT', where, { as: sender, body: event.content }));
  }
}

async function setProfile({ database, homeserver, clock }: SenderDependencies, { userId, displayName }: ProfileJob): Promise<Recording | void> {
  await homeserver.ensureRegistered(userId);
  if ((await findVirtualUserName(database, userId)) === displayName) return;
  await homeserver.request('PUT', path.displayName(userId), { as: userId, body: { displayname: displayName } });
  return (tx) => saveVirtualUser(tx, userId, displayName, clock.now());
}

const telling = (run: (job: Job) => Promise<Recording | void>): JobKind['run'] => (job) =>
  run(job).catch((error: unknown) => {
    throw asJobError(error);
  });

/** The jobs that act on the homeserver. */
export function matrixJobs(deps: SenderDependencies): Record<string, JobKind> {
  const sender = new Sender(deps);
  return {
    [jobKind.event]: { run: telling((job) => sender.send(job)) },
    [jobKind.profile]: { run: telling((job) => setProfile(deps, job.body as ProfileJob)) },
    [jobKind.catalogue]: { run: telling(async () => ((await deps.rooms.catalogue()).isNew ? deps.fillCatalogue : undefined)) },
  };
}
