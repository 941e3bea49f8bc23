import type { UserId } from '../kernel/ids.ts';

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface HomeserverRequest {
  /** One of our virtual users; the bot when absent. */
  readonly as?: UserId;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly timeoutMs?: number;
}

/** The homeserver, spoken to as the application service. Throws HomeserverError or HomeserverUnreachable. */
export interface Homeserver {
  request<T>(method: HttpMethod, path: string, options?: HomeserverRequest): Promise<T>;
  /** Makes a user of our namespace if there is none yet; also where logins are another service's business (MSC4190). */
  ensureRegistered(userId: UserId): Promise<void>;
  /** Joins one of ours to a room, by the bot's invitation where one is needed. */
  ensureJoined(roomId: string, userId: UserId): Promise<void>;
  close(): Promise<void>;
}

/** The homeserver answered, and said no. */
export class HomeserverError extends Error {
  override readonly name = 'HomeserverError';
  readonly status: number;
  readonly errcode: string;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, errcode: string, message: string, retryAfterMs?: number) {
    super(`${status} ${errcode}: ${message}`);
    this.status = status;
    this.errcode = errcode;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No usable answer: nobody there, too slow, failing, or it does not know our token yet. */
export class HomeserverUnreachable extends Error {
  override readonly name = 'HomeserverUnreachable';
}

export const isErrcode = (error: unknown, ...errcodes: string[]): error is HomeserverError => error instanceof HomeserverError && errcodes.includes(error.errcode);

const encode = encodeURIComponent;
/** Paths of the client-server API, byte for byte the same on each try: transaction ids are remembered by raw path. */
export const path = {
  send: (roomId: string, type: string, txnId: string) => `/_matrix/client/v3/rooms/${encode(roomId)}/send/${encode(type)}/${encode(txnId)}`,
  state: (roomId: string, type: string, stateKey: string) => `/_matrix/client/v3/rooms/${encode(roomId)}/state/${encode(type)}/${encode(stateKey)}`,
  allState: (roomId: string) => `/_matrix/client/v3/rooms/${encode(roomId)}/state`,
  messages: (roomId: string) => `/_matrix/client/v3/rooms/${encode(roomId)}/messages`,
  joinedMembers: (roomId: string) => `/_matrix/client/v3/rooms/${encode(roomId)}/joined_members`,
  invite: (roomId: string) => `/_matrix/client/v3/rooms/${encode(roomId)}/invite`,
  leave: (roomId: string) => `/_matrix/client/v3/rooms/${encode(roomId)}/leave`,
  alias: (alias: string) => `/_matrix/client/v3/directory/room/${encode(alias)}`,
  profile: (userId: string) => `/_matrix/client/v3/profile/${encode(userId)}`,
  displayName: (userId: string) => `/_matrix/client/v3/profile/${encode(userId)}/displayname`,
  ping: (appserviceId: string) => `/_matrix/client/v1/appservice/${encode(appserviceId)}/ping`,
  joinedRooms: '/_matrix/client/v3/joined_rooms',
  createRoom: '/_matrix/client/v3/createRoom',
  versions: '/_matrix/client/versions',
} as const;
