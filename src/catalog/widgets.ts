import { AppError, invalidField } from '../kernel/errors.ts';
import type { RoomId, UserId } from '../kernel/ids.ts';
import type { OutboundEvent } from '../matrix/port.ts';
import type { MiniApp } from '../miniapps/index.ts';

/** What clients without a mini-app of their own, such as Element Web, know how to open. */
export const widgetType = 'im.vector.modular.widgets';

const widgetId = (app: Pick<MiniApp, 'miniappId'>): string => `tmcp_${app.miniappId}`;

/** @throws AppError INVALID_REQUEST for an app that no browser can open */
export function assertWidget(app: MiniApp): void {
  if (!app.entryPoint.startsWith('https://')) throw invalidField('widget', 'this mini-app has no web page to open');
}

/** Dropped where the bot may not: that it may was asked a moment ago, and the room may have changed. */
const stateEvent = (app: MiniApp, roomId: RoomId, content: Readonly<Record<string, unknown>>): OutboundEvent => ({ place: { room: roomId }, speaker: 'bot', type: widgetType, stateKey: widgetId(app), optional: true, content });

export const addWidget = (app: MiniApp, roomId: RoomId, userId: UserId): OutboundEvent =>
  stateEvent(app, roomId, { id: widgetId(app), type: 'm.custom', name: app.name, url: app.entryPoint, creatorUserId: userId, data: { title: app.shortName ?? app.name } });

export const removeWidget = (app: MiniApp, roomId: RoomId): OutboundEvent => stateEvent(app, roomId, {});

export const mayNotAddWidgets = (): AppError => new AppError('INSUFFICIENT_PERMISSIONS', 'widget: you, or the bot, may not add widgets to this room');

/** The widget as it is now, where the room still has it: who took it out of the room does not find it there again. */
export const renewWidget = (app: MiniApp, roomId: RoomId, userId: UserId): OutboundEvent => ({ ...addWidget(app, roomId, userId), replacesOnly: true });
