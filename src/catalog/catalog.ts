import type { Database, Transaction } from '../database/index.ts';
import type { Routes } from '../http/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { RoomCommand, RoomEvents, Rooms } from '../matrix/port.ts';
import type { MiniApps } from '../miniapps/index.ts';
import { createInstalls, isInstalled, type InstallsDependencies } from './installs.ts';
import { createLaunches } from './launches.ts';
import type { Mirror } from './mirror.ts';
import type { RankingPolicy } from './ranking.ts';
import { createRatings } from './ratings.ts';
import { storeRoutes } from './routes.ts';
import { createScores, scoreKind } from './scores.ts';
import { createStore } from './store.ts';
import { createUsage } from './usage.ts';

export interface CatalogDependencies extends Pick<InstallsDependencies, 'notices' | 'notify' | 'cleanUp'> {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly events: RoomEvents;
  readonly rooms: Rooms;
  readonly miniapps: MiniApps;
  readonly mirror: Mirror;
  readonly options: { readonly policy: RankingPolicy; readonly newMs: number; readonly scoreIntervalMs: number; readonly launchSessionMs: number };
}

/** The mini-app store, put together. */
export interface Catalog {
  readonly routes: Routes;
  readonly commands: readonly RoomCommand[];
  readonly jobs: Readonly<Record<string, JobKind>>;
  /** Queues the next computation of the ranking, unless it is. */
  readonly schedule: (tx: Transaction) => void;
  /** A chore: forgets old sessions. True when there are more. */
  readonly tidyUp: (tx: Transaction, now: number) => Promise<boolean>;
}

export function createCatalog(deps: CatalogDependencies): Catalog {
  const { database, clock, queue, miniapps, mirror, options } = deps;
  const usage = createUsage({ clock });
  const installs = createInstalls({ ...deps, usage });
  const launches = createLaunches({ ...deps, usage, isInstalled, sessionMs: options.launchSessionMs });
  const ratings = createRatings({ database, clock, getActive: (miniappId, db) => miniapps.getActive(miniappId, db), isInstalled });
  const store = createStore({ database, clock, miniapps, policy: options.policy, newMs: options.newMs });
  const scores = createScores({ clock, queue, policy: options.policy, intervalMs: options.scoreIntervalMs, onRanked: (tx) => mirror.refresh(tx) });
  return {
    routes: storeRoutes({ database, store, installs, launches, ratings, policy: options.policy }),
    commands: [launches.command],
    jobs: { [scoreKind]: scores.job },
    schedule: scores.schedule,
    tidyUp: (tx, now) => launches.tidyUp(tx, now),
  };
}
