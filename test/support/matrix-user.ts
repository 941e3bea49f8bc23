import {
  ClientEvent,
  createClient,
  Direction,
  MatrixError,
  RoomEvent,
  SyncState,
  type ICreateRoomOpts,
  type IOpenIDToken,
  type MatrixClient,
  type StateEvents,
  type TimelineEvents,
} from 'matrix-js-sdk';
import { ReceivedLog, type ReceivedEvent, type WaitOptions } from './event-log.ts';
import { letProcessEnd, silence, silenceSdk } from './quiet-sdk.ts';
import { atEnd } from './shutdown.ts';
import { SynapseRefusal, type Synapse } from './synapse.ts';

export type { ReceivedEvent, WaitOptions } from './event-log.ts';

/** A person invited to a room. */
export interface Invite {
  roomId: string;
  /** Who invites. */
  sender: string | undefined;
}

type Content = Record<string, unknown>;

const FIRST_SYNC_LIMIT_MS = 30_000;
const PAGE_SIZE = 100;

silenceSdk();

/** The password of every account made by {@link signInUser}. */
export const TEST_PASSWORD = 'correct horse battery staple';

/** Makes the account unless it exists, logs in on a new device with the real client library, and waits for the first sync. */
export async function signInUser(synapse: Synapse, localpart: string): Promise<MatrixUser> {
  await synapse.registerUser(localpart, TEST_PASSWORD).catch((failure: unknown) => {
    if (!(failure instanceof SynapseRefusal) || failure.errcode !== 'M_USER_IN_USE') throw failure;
  });
  const login = await createClient({ baseUrl: synapse.url, logger: silence }).loginRequest({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: localpart },
    password: TEST_PASSWORD,
  });
  const client = createClient({
    baseUrl: synapse.url,
    userId: login.user_id,
    accessToken: login.access_token,
    deviceId: login.device_id,
    logger: silence,
  });
  letProcessEnd(client);
  const user = new MatrixUser(client, login.user_id, login.access_token);
  // A person whose server is back need not wait for the end of the client's back-off.
  const unsubscribe = synapse.onStart(() => client.retryImmediately());
  client.on(ClientEvent.Sync, (state) => {
    if (state === SyncState.Stopped) unsubscribe();
  });
  atEnd(async () => user.stop());
  await firstSync(client);
  return user;
}

async function firstSync(client: MatrixClient): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`No first sync within ${FIRST_SYNC_LIMIT_MS} ms.`)), FIRST_SYNC_LIMIT_MS);
  const onSync = (state: SyncState): void => {
    if (state === SyncState.Prepared) resolve();
  };
  client.on(ClientEvent.Sync, onSync);
  try {
    await client.startClient({ initialSyncLimit: PAGE_SIZE });
    await promise;
  } finally {
    clearTimeout(timer);
    client.off(ClientEvent.Sync, onSync);
  }
}

/** A person at a client that syncs. */
export class MatrixUser {
  readonly userId: string;
  readonly accessToken: string;
  /** The client library itself, for what has no method here. */
  readonly client: MatrixClient;
  readonly #events = new ReceivedLog<ReceivedEvent>((event) => event.type);
  readonly #invites = new ReceivedLog<Invite>((invite) => `${invite.roomId} from ${invite.sender}`);
  readonly #seen = new Set<string>();

  constructor(client: MatrixClient, userId: string, accessToken: string) {
    this.client = client;
    this.userId = userId;
    this.accessToken = accessToken;
    // Emitted for what the sync brought and for nothing else, unlike Room.timeline, which has local echoes.
    client.on(ClientEvent.Event, (event) => this.#receive(event.event as RawEvent));
    client.on(RoomEvent.MyMembership, (room, membership) => {
      if (membership !== 'invite') return;
      this.#invites.add({ roomId: room.roomId, sender: room.getMember(userId)?.events.member?.getSender() });
    });
  }

  /** Everything received by sync so far, in order, each event once. */
  get received(): readonly ReceivedEvent[] {
    return this.#events.items;
  }

  /** Creates a room and returns its id. */
  async createRoom(options: ICreateRoomOpts = {}): Promise<string> {
    return (await this.client.createRoom(options)).room_id;
  }

  /** Joins a room and returns its id. */
  async join(roomIdOrAlias: string): Promise<string> {
    return (await this.client.joinRoom(roomIdOrAlias)).roomId;
  }

  async invite(roomId: string, userId: string): Promise<void> {
    await this.client.invite(roomId, userId);
  }

  async leave(roomId: string): Promise<void> {
    await this.client.leave(roomId);
  }

  /** Sends a message event of any type and returns its id. */
  async sendEvent(roomId: string, type: string, content: Content): Promise<string> {
    const sent = await this.client.sendEvent(roomId, type as keyof TimelineEvents, content as never);
    return sent.event_id;
  }

  /** Sets a piece of room state and returns the id of its event. */
  async sendState(roomId: string, type: string, stateKey: string, content: Content): Promise<string> {
    const sent = await this.client.sendStateEvent(roomId, type as keyof StateEvents, content, stateKey);
    return sent.event_id;
  }

  /** The first event, already received or to come, that satisfies the predicate. */
  waitForEvent(predicate: (event: ReceivedEvent) => boolean, options: WaitOptions): Promise<ReceivedEvent> {
    return this.#events.waitFor(predicate, options);
  }

  /** The first invitation, already received or to come, that satisfies the predicate. */
  waitForInvite(predicate: (invite: Invite) => boolean, options?: Partial<WaitOptions>): Promise<Invite> {
    return this.#invites.waitFor(predicate, { description: `an invitation for ${this.userId}`, ...options });
  }

  /** The room's present state, asked of the homeserver; undefined when there is none. */
  async state(roomId: string, type: string, stateKey = ''): Promise<Content | undefined> {
    try {
      return await this.client.getStateEvent(roomId, type, stateKey);
    } catch (failure) {
      if (failure instanceof MatrixError && failure.errcode === 'M_NOT_FOUND') return undefined;
      throw failure;
    }
  }

  /** The room's whole timeline as the homeserver has it, oldest first: what is (not) in it is really (not) in the room. */
  async history(roomId: string): Promise<ReceivedEvent[]> {
    const newestFirst: ReceivedEvent[] = [];
    let from: string | null = null;
    do {
      const page: { chunk: object[]; end?: string } = await this.client.createMessagesRequest(roomId, from, PAGE_SIZE, Direction.Backward);
      newestFirst.push(...page.chunk.map((event) => toReceived(event as RawEvent)));
      from = page.end ?? null;
    } while (from !== null);
    return newestFirst.reverse();
  }

  /** A token that proves to a third party who this is. */
  openIdToken(): Promise<IOpenIDToken> {
    return this.client.getOpenIdToken();
  }

  /** Closes the client; the device stays logged in. */
  stop(): void {
    this.client.stopClient();
  }

  /** Some events come more than once, as state and in the timeline. */
  #receive(raw: RawEvent): void {
    if (raw.event_id !== undefined && this.#seen.has(raw.event_id)) return;
    if (raw.event_id !== undefined) this.#seen.add(raw.event_id);
    this.#events.add(toReceived(raw));
  }
}

interface RawEvent {
  type?: string;
  content?: Content;
  room_id?: string;
  event_id?: string;
  sender?: string;
  state_key?: string;
  origin_server_ts?: number;
  unsigned?: object;
}

function toReceived(raw: RawEvent): ReceivedEvent {
  return {
    type: raw.type ?? '',
    content: raw.content ?? {},
    roomId: raw.room_id,
    eventId: raw.event_id,
    sender: raw.sender,
    stateKey: raw.state_key,
    originServerTs: raw.origin_server_ts,
    unsigned: { ...raw.unsigned },
  };
}
