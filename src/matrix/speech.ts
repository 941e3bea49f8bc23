import { AppError } from '../kernel/errors.ts';
import type { EventId, MiniAppId, RoomId, UserId } from '../kernel/ids.ts';
import { boundedRequest, type HttpAnswer, type HttpConnections } from '../security/http-request.ts';
import { HomeserverError, HomeserverUnreachable, isErrcode, path, type Homeserver } from './homeserver.ts';
import type { OwnNames } from './identity.ts';

export interface Message {
  readonly roomId: RoomId;
  readonly content: Readonly<Record<string, unknown>>;
  /** The same for a repetition, and different for everybody else's: the homeserver takes each once. */
  readonly txnId: string;
}

/** Says something in a room while the caller waits for its id. Throws HomeserverError or HomeserverUnreachable. */
export interface Speech {
  /** As the mini-app's virtual user, which is brought into the room when it is not there. */
  asMiniApp(miniappId: MiniAppId, message: Message): Promise<EventId>;
  /** As the user whose access token this is. */
  asUser(accessToken: string, message: Message): Promise<EventId>;
  /** Name and picture. */
  profileOf(userId: UserId): Promise<Readonly<Record<string, unknown>>>;
}

/** Runs what a virtual user does in a room; one that is not there yet is brought in by the bot, once. */
export async function joiningIfNeeded<T>({ homeserver, names }: { readonly homeserver: Homeserver; readonly names: OwnNames }, roomId: RoomId, sender: UserId, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (sender === names.bot || !isErrcode(error, 'M_FORBIDDEN')) throw error;
    await homeserver.ensureRegistered(sender);
    await homeserver.ensureJoined(roomId, sender);
    return await send();
  }
}

const type = 'm.room.message';
const limits = { timeoutMs: 15_000, maxBytes: 64 * 1024 } as const;

function eventIdOf({ status, body }: HttpAnswer): EventId {
  let said: { event_id?: unknown; errcode?: unknown; error?: unknown; retry_after_ms?: unknown };
  try {
    said = JSON.parse(body.toString('utf8')) as typeof said;
  } catch {
    throw new HomeserverUnreachable(`the homeserver answered ${status} without JSON`);
  }
  if (status === 200 && typeof said.event_id === 'string') return said.event_id as EventId;
  if (status >= 500 || typeof said.errcode !== 'string') throw new HomeserverUnreachable(`the homeserver answered ${status}`);
  throw new HomeserverError(status, said.errcode, typeof said.error === 'string' ? said.error : '', typeof said.retry_after_ms === 'number' ? said.retry_after_ms : undefined);
}

export function createSpeech(deps: { readonly homeserver: Homeserver; readonly names: OwnNames; readonly homeserverUrl: string; readonly connections: HttpConnections }): Speech {
  const { homeserver, names, homeserverUrl, connections } = deps;
  return {
    async asMiniApp(miniappId, { roomId, content, txnId }) {
      const sender = names.miniappUser(miniappId);
      const { event_id: eventId } = await joiningIfNeeded(deps, roomId, sender, () => homeserver.request<{ event_id: EventId }>('PUT', path.send(roomId, type, txnId), { as: sender, body: content }));
      return eventId;
    },
    async asUser(accessToken, { roomId, content, txnId }) {
      const url = new URL(path.send(roomId, type, txnId).slice(1), homeserverUrl.endsWith('/') ? homeserverUrl : `${homeserverUrl}/`);
      const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' };
      const answer = await boundedRequest(connections, url, { method: 'PUT', headers, body: JSON.stringify(content), ...limits }).catch((error: unknown) => {
        throw new HomeserverUnreachable(error instanceof Error ? error.message : String(error));
      });
      return eventIdOf(answer);
    },
    profileOf: (userId) => homeserver.request<Record<string, unknown>>('GET', path.profile(userId)),
  };
}

/** What a homeserver's answer is to a caller who waits. */
export function asAppError(error: unknown): unknown {
  if (error instanceof HomeserverUnreachable) return new AppError('SERVICE_UNAVAILABLE', 'The homeserver does not answer just now', { retryAfterMs: 5000, cause: error });
  if (!(error instanceof HomeserverError)) return error;
  const details = { errcode: error.errcode };
  if (error.status === 429) return new AppError('RATE_LIMIT_EXCEEDED', 'The homeserver wants this slower', { retryAfterMs: error.retryAfterMs ?? 5000, details });
  if (error.status === 404) return new AppError('NOT_FOUND', 'The homeserver does not know this', { details });
  if (error.errcode === 'M_TOO_LARGE') return new AppError('PAYLOAD_TOO_LARGE', 'The homeserver takes no event as large as this', { details });
  if (error.status === 400) return new AppError('INVALID_REQUEST', 'The homeserver does not take this', { details });
  return new AppError('ROOM_NOT_ALLOWED', 'The homeserver does not allow this here', { details });
}
