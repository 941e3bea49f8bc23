import type { Transaction } from '../database/index.ts';
import type { RoomEvents } from '../matrix/port.ts';
import { appStateEvent, type MiniApp } from '../miniapps/index.ts';
import { countMirrored, isMirrored, listBestRanked, listByIds, listMirrored, listMirroredIds, setMirrored } from './mirror-repo.ts';

/** The catalogue room: the best ranked apps as room state (decision D11). Room state has a price for everyone who joins, so there are `maxApps` at most. */
export interface Mirror {
  /** An app has changed: the room is told if it shows it, or has a place for it. */
  show(tx: Transaction, app: MiniApp): Promise<void>;
  /** What the room shows, best ranked first. */
  list(tx: Transaction): Promise<MiniApp[]>;
  /** Scores have changed: what is better than the worst that is shown takes its place. */
  refresh(tx: Transaction): Promise<void>;
}

export interface MirrorDependencies {
  readonly events: RoomEvents;
  readonly maxApps: number;
  /** Rooms besides the catalogue that show the app. */
  readonly changed: (tx: Transaction, app: MiniApp) => Promise<void>;
}

export function createMirror({ events, maxApps, changed }: MirrorDependencies): Mirror {
  const publish = (tx: Transaction, app: MiniApp): void => events.emit(tx, appStateEvent(app, { catalogue: true }));
  return {
    async show(tx, app) {
      await changed(tx, app);
      if (!(await isMirrored(tx, app.miniappId))) {
        if ((await countMirrored(tx)) >= maxApps) return;
        await setMirrored(tx, [app.miniappId], true);
      }
      publish(tx, app);
    },
    list: listMirrored,
    async refresh(tx) {
      const best = await listBestRanked(tx, maxApps);
      const shown = await listMirroredIds(tx);
      const wanted = new Set(best.map(({ miniappId }) => miniappId));
      const entering = best.filter(({ mirrored }) => !mirrored).map(({ miniappId }) => miniappId);
      const leaving = shown.filter((id) => !wanted.has(id)).slice(0, Math.max(0, shown.length + entering.length - maxApps));
      if (entering.length + leaving.length === 0) return;
      await setMirrored(tx, leaving, false);
      await setMirrored(tx, entering, true);
      for (const miniappId of leaving) events.emit(tx, { place: { catalogue: true }, speaker: 'bot', type: 'm.tween.miniapp.app', stateKey: miniappId, content: {} });
      const byId = new Map((await listByIds(tx, entering)).map((app) => [app.miniappId as string, app]));
      for (const miniappId of entering) publish(tx, byId.get(miniappId)!);
    },
  };
}
