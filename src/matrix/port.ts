import type { Queryable, Transaction } from '../database/index.ts';
import type { EventId, MiniAppId, RoomId, UserId } from '../kernel/ids.ts';

/** Who of ours speaks: the bot, the payments bot, or a mini-app's virtual user (decision D11). */
export type Speaker = 'bot' | 'payments' | { readonly miniapp: MiniAppId };

/** Where an event goes: a named room, a user's notice room, or the catalogue. Events for one place arrive in order. */
export type Place = { readonly room: RoomId } | { readonly noticesOf: UserId } | { readonly catalogue: true };

export interface OutboundEvent {
  readonly place: Place;
  readonly speaker: Speaker;
  readonly type: string;
  /** Present for a state event. */
  readonly stateKey?: string;
  readonly content: Readonly<Record<string, unknown>>;
  /** Dropped, not parked, where the speaker may not send it. */
  readonly optional?: boolean;
  /** State that takes the place of what the room has; dropped where it has none, or people have emptied it. */
  readonly replacesOnly?: boolean;
  /** Keeps the event's id under this name, for what refers to it later in the same place. */
  readonly remember?: string;
  /** The name of an earlier event in the same place, to which this one is then related (`m.reference`). */
  readonly relatesTo?: string;
}

/** Says things in Matrix rooms: part of the caller's transaction, delivered exactly once afterwards (decision D12). */
export interface RoomEvents {
  emit(tx: Transaction, event: OutboundEvent): void;
  /** Id of the event that was remembered under a name; undefined until it is in the room. */
  findEventId(db: Queryable, place: Place, name: string): Promise<EventId | undefined>;
  /** Takes an event that is in the room already as the one of this name: what follows refers to it. */
  remember(tx: Transaction, place: Place, name: string, eventId: EventId): Promise<void>;
  /** Gives one of our virtual users its name, when it is first needed or the name changes. */
  ensureProfile(tx: Transaction, userId: UserId, displayName: string): void;
}

/** An event that the homeserver pushed to us, checked for form and no further. */
export interface InboundEvent {
  readonly type: string;
  readonly eventId: EventId;
  readonly roomId: RoomId;
  readonly sender: UserId;
  readonly stateKey: string | undefined;
  readonly content: Readonly<Record<string, unknown>>;
}

/** A command given in a room by posting an event; the answer refers to that event. */
export interface RoomCommand {
  /** Name of the schema under `schema/events/` that the content must meet. */
  readonly type: string;
  /**
   * Called for a well-formed command of a joined sender. Returns what to write, in the transaction that also marks the command
   * handled; `reply` sends the answer. Throws AppError for a refusal, which is answered with `m.tween.error`.
   */
  handle(event: InboundEvent): Promise<(tx: Transaction, reply: (type: string, content: Readonly<Record<string, unknown>>) => void) => Promise<void>>;
}

/** Questions about rooms, answered by the homeserver. */
export interface Rooms {
  /**
   * Refuses a room that a caller named, with one and the same ROOM_NOT_ALLOWED for every reason (decision D22): it is ours, we are
   * not in it, or `userId` is not. Throws SERVICE_UNAVAILABLE when the homeserver can't be asked.
   */
  requireJoined(roomId: RoomId, userId: UserId): Promise<void>;
  /** Whether the room lets both this user and our bot set state of this type. Throws SERVICE_UNAVAILABLE. */
  maySetState(roomId: RoomId, userId: UserId, type: string): Promise<boolean>;
}

/** How somebody is called in a room. */
export interface RoomProfile {
  readonly displayName: string | undefined;
  readonly avatarUrl: string | undefined;
}

export interface SharedRoom {
  readonly roomId: RoomId;
  /** Then our events carry no amounts (decision D18). */
  readonly isEncrypted: boolean;
  /** Everyone who is joined, by user id. */
  readonly members: ReadonlyMap<string, RoomProfile>;
}

/** Where people meet; answered by the homeserver, at most five minutes old. */
export interface SharedRooms {
  /**
   * The named room, or any that our bot is in, where all these users are joined; public-join rooms and our own don't count
   * (decisions D18, D22). `askAnew` is for what depends on who exactly is there now. @throws AppError ROOM_NOT_ALLOWED, one and the same for every reason; SERVICE_UNAVAILABLE
   */
  requireShared(users: readonly UserId[], roomId: RoomId | undefined, options?: { readonly askAnew?: boolean }): Promise<SharedRoom>;
  /** Whether our bot has heard that the room is encrypted; asks nobody. */
  isKnownEncrypted(db: Queryable, roomId: RoomId): Promise<boolean>;
}

/** Commands that people write as messages in one room. */
export interface RoomMessages {
  readonly roomId: RoomId;
  /** The word that such a message begins with; others are not even kept. */
  readonly prefix: string;
  /** Returns what to write, in the transaction that also marks the message handled; `reply` answers in the room. */
  handle(sender: UserId, text: string): Promise<(tx: Transaction, reply: (text: string) => void) => Promise<void>>;
}
