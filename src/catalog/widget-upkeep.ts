import type { Transaction } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { RoomEvents } from '../matrix/port.ts';
import type { MiniApp } from '../miniapps/index.ts';
import { forgetWidgets, hasWidgets, listMiniApps, listWidgetRooms } from './repo.ts';
import { removeWidget, renewWidget } from './widgets.ts';

export interface WidgetUpkeepDependencies {
  readonly queue: JobQueue;
  readonly events: RoomEvents;
}

interface UpkeepJob {
  readonly miniappId: MiniApp['miniappId'];
  /** The last room of the page before. */
  readonly after: string;
}

export const widgetsKind = 'catalog.widgets';

/** Rooms in one transaction. */
const page = 100;

/** Nothing that a browser is to open any more. */
const isOver = ({ status, entryPoint }: MiniApp): boolean => status === 'suspended' || status === 'retired' || !entryPoint.startsWith('https:');

/**
 * Widgets of an app that has changed: what is suspended or over must not be opened by clients that know no mini-apps, and goes
 * for good, as if it had been installed without; a released version may have another name and address.
 */
export function createWidgetUpkeep({ queue, events }: WidgetUpkeepDependencies): { changed(tx: Transaction, app: MiniApp): Promise<void>; readonly job: JobKind } {
  const enqueue = (tx: Transaction, body: UpkeepJob): void => queue.enqueue(tx, { stream: `widgets:${body.miniappId}`, kind: widgetsKind, body });
  return {
    async changed(tx, { miniappId }) {
      if (await hasWidgets(tx, miniappId)) enqueue(tx, { miniappId, after: '' });
    },
    job: {
      run: ({ body }) =>
        Promise.resolve(async (tx: Transaction) => {
          const { miniappId, after } = body as UpkeepJob;
          const [app] = await listMiniApps(tx, [miniappId]);
          if (app === undefined) return;
          const rooms = await listWidgetRooms(tx, miniappId, after, page);
          for (const { roomId, userId } of rooms) events.emit(tx, isOver(app) ? removeWidget(app, roomId) : renewWidget(app, roomId, userId));
          if (isOver(app)) await forgetWidgets(tx, miniappId, rooms.map(({ roomId }) => roomId));
          if (rooms.length === page) enqueue(tx, { miniappId, after: rooms.at(-1)!.roomId });
        }),
    },
  };
}
