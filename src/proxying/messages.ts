import { AppError, invalidField } from '../kernel/errors.ts';
import { isRoomId, sha256Hex, type EventId, type MiniAppId, type RoomId, type UserId } from '../kernel/ids.ts';
import { asHomeserverRefusal, HomeserverError, type RoomFacts, type Speech } from '../matrix/index.ts';
import type { Rooms } from '../matrix/port.ts';
import type { MatrixGrants } from './grants.ts';

/** A mini-app with a user's session, as its access token says. */
export interface Sender {
  readonly userId: UserId;
  readonly miniappId: MiniAppId;
  /** `miniapp_context.room_id` of the launch: the one room that the app may name (decision D22). */
  readonly launchedIn: unknown;
}

export interface Sent {
  readonly eventId: EventId;
  readonly sentAs: 'user' | 'miniapp';
}

export interface MessagesDependencies {
  readonly rooms: Rooms;
  readonly facts: Pick<RoomFacts, 'natureOf'>;
  readonly speech: Speech;
  /** Undefined where users leave no Matrix tokens with us. */
  readonly grants: MatrixGrants | undefined;
}

export interface Messages {
  /**
   * Sends a message in the room that the app was launched in: as the user where they left us a token for this app, else as the
   * app's own virtual user. @throws AppError ROOM_NOT_ALLOWED, ENCRYPTED_ROOM, INVALID_REQUEST, SERVICE_UNAVAILABLE, RATE_LIMIT_EXCEEDED
   */
  send(sender: Sender, message: { readonly roomId: string; readonly txnId: string; readonly content: Readonly<Record<string, unknown>> }): Promise<Sent>;
}

const roomNotAllowed = (): AppError => new AppError('ROOM_NOT_ALLOWED', 'This room cannot be used here');

/** Our own events name themselves so; a mini-app must not be able to look like one. */
const ownKeys = ['delivery_id'];

function checkContent(content: Readonly<Record<string, unknown>>): void {
  if (typeof content.msgtype !== 'string' || content.msgtype.startsWith('m.tween.')) throw invalidField('msgtype', 'must be a message type of Matrix, such as m.text');
  if (typeof content.body !== 'string') throw invalidField('body', 'must be text');
  const own = ownKeys.find((key) => Object.hasOwn(content, key));
  if (own !== undefined) throw invalidField(own, 'is not for mini-apps');
}

export function createMessages({ rooms, facts, speech, grants }: MessagesDependencies): Messages {
  const requireRoom = async ({ userId, launchedIn }: Sender, roomId: string): Promise<RoomId> => {
    if (!isRoomId(roomId) || roomId !== launchedIn) throw roomNotAllowed();
    await rooms.requireJoined(roomId, userId);
    // What is sent from here is not encrypted, and would show there what people have said must not be seen.
    if ((await facts.natureOf(roomId)).isEncrypted) throw new AppError('ENCRYPTED_ROOM', 'This room is encrypted: only the user\'s own client can write in it');
    return roomId;
  };
  return {
    async send(sender, { roomId: named, txnId: given, content }) {
      checkContent(content);
      const { userId, miniappId } = sender;
      const roomId = await requireRoom(sender, named).catch((error: unknown) => {
        throw asHomeserverRefusal(error);
      });
      const message = { roomId, content, txnId: `tmcp.${sha256Hex(JSON.stringify([miniappId, userId, given])).slice(0, 40)}` };
      const key = { userId, miniappId };
      const accessToken = await grants?.accessTokenFor(key);
      try {
        if (accessToken !== undefined) {
          try {
            return { eventId: await speech.asUser(accessToken, message), sentAs: 'user' };
          } catch (error) {
            if (!(error instanceof HomeserverError) || error.status !== 401) throw error;
            // Ended by the user or an administrator: from now on the app speaks for itself.
            await grants?.forget(key);
          }
        }
        return { eventId: await speech.asMiniApp(miniappId, message), sentAs: 'miniapp' };
      } catch (error) {
        throw asHomeserverRefusal(error);
      }
    },
  };
}
