import { createAdministration, type AdministrationDependencies } from './administration/index.ts';
import type { Offer } from './capabilities/index.ts';
import { cardRoutes, createCards } from './cards/index.ts';
import { createCatalog, createMirror, createWidgetUpkeep, widgetsKind, type Catalog, type Mirror, type RankingPolicy } from './catalog/index.ts';
import type { Config } from './config/index.ts';
import type { Database, Transaction } from './database/index.ts';
import type { JobKind, JobQueue } from './jobs/index.ts';
import type { Clock } from './kernel/clock.ts';
import type { Contract } from './http/index.ts';
import { asRoomId } from './kernel/ids.ts';
import type { RoomEvents, RoomMessages, Rooms, SharedRooms } from './matrix/port.ts';
import type { MiniApps } from './miniapps/index.ts';
import type { Notices } from './notices/index.ts';
import type { OAuth } from './oauth/index.ts';
import type { Audit } from './security/audit/index.ts';
import type { Storage } from './storage/index.ts';
import type { Webhooks } from './webhooks/index.ts';

export interface StoreDependencies {
  readonly config: Config;
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly events: RoomEvents;
  readonly rooms: Rooms;
  readonly miniapps: MiniApps;
  readonly mirror: Mirror;
  readonly oauth: OAuth;
  readonly storage: Storage;
  readonly webhooks: Webhooks;
  readonly notices: Notices;
  readonly sharedRooms: SharedRooms;
}

const dayMs = 24 * 60 * 60_000;

const policyOf = (ranking: Config['catalog']['ranking']): RankingPolicy => ({
  weights: { installs: ranking.installs_points, actives: ranking.actives_points, rating: ranking.rating_points, engagement: ranking.engagement_points, recency: ranking.recency_points },
  recencyHalfLifeDays: ranking.recency_half_life_days,
  trendingMinInstalls: ranking.trending_min_installs,
  trendingMinGrowth: ranking.trending_min_growth_percent / 100,
});

/** What the catalogue room shows, and rooms that show apps as widgets. */
export function buildMirror(deps: Pick<StoreDependencies, 'config' | 'queue' | 'events'>): { readonly mirror: Mirror; readonly jobs: Readonly<Record<string, JobKind>> } {
  const widgets = createWidgetUpkeep(deps);
  return { mirror: createMirror({ ...deps, maxApps: deps.config.catalog.max_state_apps, changed: (tx, app) => widgets.changed(tx, app) }), jobs: { [widgetsKind]: widgets.job } };
}

/** The store and the cards of its apps, as the rest of the house sees them. */
export function buildCatalog(deps: StoreDependencies): Catalog & { readonly chores: readonly ((tx: Transaction, now: number) => Promise<unknown>)[] } {
  const { config, oauth, storage, webhooks, sharedRooms } = deps;
  const cards = createCards({ ...deps, isKnownEncrypted: (db, roomId) => sharedRooms.isKnownEncrypted(db, roomId), perMinute: config.catalog.cards_per_minute });
  const catalog = createCatalog({
    ...deps,
    options: { policy: policyOf(config.catalog.ranking), newMs: config.catalog.new_app_days * dayMs, scoreIntervalMs: config.catalog.score_interval_minutes * 60_000, launchSessionMs: config.catalog.launch_session_days * dayMs },
    notify: async (tx, miniappId, event, data) => void (await webhooks.send(tx, { miniappId, event, data })),
    async cleanUp(tx, removed) {
      // The sessions first: a write that is under way has then either been committed or will not be.
      await oauth.withdraw(tx, removed, 'uninstall');
      await storage.clear(tx, { userId: removed.userId, namespace: removed.miniappId });
    },
  });
  return { ...catalog, routes: { ...catalog.routes, ...cardRoutes({ cards }) }, chores: [(tx, now) => cards.tidyUp(tx, now), catalog.tidyUp] };
}

/** What mini-apps can use here: what is configured, and what the contract has. */
export const offerOf = ({ capabilities, storage, wallet }: Config, contract: Contract): Offer => ({
  disabled: capabilities.disabled,
  serves: (path) => contract.operations.some((operation) => operation.path === path),
  storageQuotaBytes: storage.max_bytes,
  maxPayment: wallet.enhanced.transaction_limit,
});

/** The bot's commands in the administrators' room; undefined without one. */
export function buildAdministration(deps: Pick<StoreDependencies, 'config' | 'database'> & Pick<AdministrationDependencies, 'moveIn'> & { readonly version: string; readonly audit: Pick<Audit, 'record'>; readonly homeserverState: () => string }): RoomMessages | undefined {
  const { room_id: roomId, viewers, moderators } = deps.config.administration;
  if (roomId === undefined) return undefined;
  return createAdministration({
    ...deps,
    roomId: asRoomId(roomId),
    viewers,
    moderators,
    audit: (tx, { sender, command, miniappId, result, why }) =>
      deps.audit.record(tx, { actor: { kind: 'user', id: sender }, action: `administration.${command}`, target: miniappId === undefined ? { kind: 'room', id: roomId } : { kind: 'miniapp', id: miniappId.slice(0, 80) }, result, details: why === undefined ? {} : { why } }),
  });
}
