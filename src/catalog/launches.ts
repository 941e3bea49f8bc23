import type { MiniappLaunchContent } from '../generated/events.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId } from '../kernel/ids.ts';
import type { RoomCommand, RoomEvents } from '../matrix/port.ts';
import { appStateEvent, type MiniApps } from '../miniapps/index.ts';
import { insertLaunchSession, wasLaunchedIn } from './repo.ts';

export interface LaunchDependencies {
  readonly clock: Clock;
  readonly events: RoomEvents;
  readonly miniapps: MiniApps;
}

/** `m.tween.miniapp.launch` in a room (specification section 8.1.1, decision D11): recorded as a session of the sender, and answered. */
export function launchCommand({ clock, events, miniapps }: LaunchDependencies): RoomCommand {
  return {
    type: 'm.tween.miniapp.launch',
    async handle(event) {
      const content = event.content as unknown as MiniappLaunchContent;
      const app = await miniapps.getActive(content.miniapp_id);
      const launchedAt = clock.now();
      const sessionId = content.session_id ?? newId('session');
      const source = content.launch_source ?? 'chat_bubble';
      return async (tx, reply) => {
        const isFirst = !(await wasLaunchedIn(tx, event.roomId, app.miniappId, app.updatedAt));
        const session = { sessionId, miniappId: app.miniappId, userId: event.sender, roomId: event.roomId, source, launchParams: content.launch_params ?? {}, eventId: event.eventId, launchedAt };
        if (!(await insertLaunchSession(tx, session))) {
          const taken = new AppError('ALREADY_EXISTS', 'There is a session of this name already');
          return reply('m.tween.error', { code: taken.code, message: taken.message });
        }
        reply('m.tween.miniapp.launched', {
          miniapp_id: app.miniappId,
          name: app.name,
          version: app.version,
          entry_point: app.entryPoint,
          session_id: sessionId,
          sender: event.sender,
          launch_source: source,
          launched_at: isoTime(launchedAt),
        });
        if (isFirst) events.emit(tx, appStateEvent(app, { room: event.roomId }));
      };
    },
  };
}
