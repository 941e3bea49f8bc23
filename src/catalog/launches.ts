import type { Database, Queryable, Transaction } from '../database/index.ts';
import type { MiniappLaunchContent } from '../generated/events.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type RoomId, type UserId } from '../kernel/ids.ts';
import type { RoomCommand, RoomEvents, Rooms } from '../matrix/port.ts';
import { appStateEvent, type MiniApp, type MiniApps } from '../miniapps/index.ts';
import { deleteLaunchSessionsBefore, insertLaunchSession, wasLaunchedIn, type LaunchSession } from './repo.ts';
import type { Usage } from './usage.ts';
import { requireVisible } from './visibility.ts';

export interface LaunchDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly events: RoomEvents;
  readonly rooms: Rooms;
  readonly miniapps: MiniApps;
  readonly usage: Usage;
  readonly isInstalled: (db: Queryable, userId: UserId, app: MiniApp) => Promise<boolean>;
  /** For how long a session is remembered. */
  readonly sessionMs: number;
}

export interface LaunchRequest {
  readonly sessionId: string | undefined;
  readonly source: string;
  readonly launchParams: object;
  readonly roomId: RoomId | undefined;
}

export interface Launches {
  /**
   * Records that the user opens the app; a room that is named hears of it.
   * @throws AppError APP_NOT_FOUND, ROOM_NOT_ALLOWED, ALREADY_EXISTS (a session of that name), SERVICE_UNAVAILABLE
   */
  launch(userId: UserId, miniappId: string, request: LaunchRequest): Promise<{ app: MiniApp; session: LaunchSession }>;
  /** `m.tween.miniapp.launch` in a room (specification section 8.1.1, decision D11): recorded as a session of the sender, and answered. */
  readonly command: RoomCommand;
  /**
   * A chore: forgets sessions by their age, true when there are more. What was counted of them stays (`usage.ts`), and with it
   * who may rate; a room whose last session is forgotten is given the app's state again with the next, as if it were the first.
   */
  tidyUp(tx: Transaction, now: number): Promise<boolean>;
}

const forgottenAtOnce = 5000;

const sessionTaken = (): AppError => new AppError('ALREADY_EXISTS', 'There is a session of this name already');

/** What a room is told of a session. */
const launchedContent = (app: MiniApp, session: LaunchSession): Record<string, unknown> => ({
  miniapp_id: app.miniappId,
  name: app.name,
  version: app.version,
  entry_point: app.entryPoint,
  session_id: session.sessionId,
  sender: session.userId,
  launch_source: session.source,
  launched_at: isoTime(session.launchedAt),
});

/** Writes the session and counts it; false when there is one of that name. `isFirst`: the room is to have the app's state. */
async function begin({ usage, isInstalled }: LaunchDependencies, tx: Transaction, app: MiniApp, session: LaunchSession): Promise<{ isFirst: boolean } | undefined> {
  const { roomId, userId } = session;
  const isFirst = roomId !== undefined && !(await wasLaunchedIn(tx, roomId, app.miniappId, app.updatedAt));
  if (!(await insertLaunchSession(tx, session))) return undefined;
  await usage.opened(tx, app.miniappId, userId, () => isInstalled(tx, userId, app));
  return { isFirst };
}

const commandOf = (deps: LaunchDependencies): RoomCommand => ({
  type: 'm.tween.miniapp.launch',
  async handle(event) {
    const content = event.content as unknown as MiniappLaunchContent;
    const app = await deps.miniapps.getActive(content.miniapp_id);
    const { sender: userId, roomId, eventId } = event;
    const session = { sessionId: content.session_id ?? newId('session'), miniappId: app.miniappId, userId, roomId, source: content.launch_source ?? 'chat_bubble', launchParams: content.launch_params ?? {}, eventId, launchedAt: deps.clock.now() };
    return async (tx, reply) => {
      const begun = await begin(deps, tx, app, session);
      if (begun === undefined) {
        const taken = sessionTaken();
        return reply('m.tween.error', { code: taken.code, message: taken.message });
      }
      reply('m.tween.miniapp.launched', launchedContent(app, session));
      if (begun.isFirst) deps.events.emit(tx, appStateEvent(app, { room: roomId }));
    };
  },
});

export function createLaunches(deps: LaunchDependencies): Launches {
  const { database, clock, events, rooms, miniapps, sessionMs } = deps;
  return {
    command: commandOf(deps),
    tidyUp: async (tx, now) => (await deleteLaunchSessionsBefore(tx, now - sessionMs, forgottenAtOnce)) === forgottenAtOnce,
    async launch(userId, miniappId, { sessionId = newId('session'), source, launchParams, roomId }) {
      const visible = await requireVisible(miniapps, userId, miniappId);
      if (roomId !== undefined) await rooms.requireJoined(roomId, userId);
      return database.inTransaction(async (tx) => {
        const app = await visible.again(tx);
        const session = { sessionId, miniappId: app.miniappId, userId, roomId, source, launchParams, eventId: undefined, launchedAt: clock.now() };
        const begun = await begin(deps, tx, app, session);
        if (begun === undefined) throw sessionTaken();
        if (roomId !== undefined) {
          events.emit(tx, { place: { room: roomId }, speaker: 'bot', type: 'm.tween.miniapp.launched', content: launchedContent(app, session) });
          if (begun.isFirst) events.emit(tx, appStateEvent(app, { room: roomId }));
        }
        return { app, session };
      });
    },
  };
}
