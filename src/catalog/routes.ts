import { answer, principalOf, type ApiAnswer, type ApiRequest, type Routes } from '../http/index.ts';
import type { Database } from '../database/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { isRoomId, type MiniAppId, type RoomId, type UserId } from '../kernel/ids.ts';
import { isPreinstalled, isRemovable, type MiniApp } from '../miniapps/index.ts';
import type { Installs } from './installs.ts';
import type { Launches } from './launches.ts';
import { listRatings, type ListedApp } from './listing-repo.ts';
import { factorNames, type Factor, type RankingPolicy } from './ranking.ts';
import type { Ratings, RatingTotals } from './ratings.ts';
import type { Explanation, Store, StoreQuery } from './store.ts';

const unrated = { average: 0, count: 0 };

/** A row of the store (specification section 16.6.1); `rating.average` is 0 while nobody has rated. */
const storeRow = (app: MiniApp, rating: ListedApp['rating'], installed: boolean): object => ({
  miniapp_id: app.miniappId,
  name: app.name,
  description: app.description,
  classification: app.classification,
  category: app.category,
  developer: app.developer,
  rating,
  install_count: app.installCount,
  ...(app.iconUrl === undefined ? {} : { icon_url: app.iconUrl }),
  marketing: app.marketing,
  version: app.version,
  entry_point: app.entryPoint,
  ...(app.publishedAt === undefined ? {} : { published_at: isoTime(app.publishedAt) }),
  install_mode: app.installMode,
  removable: isRemovable(app),
  preinstalled: isPreinstalled(app),
  installed,
});

/** How much of each factor there is, and what it was computed from. */
function explanationBody({ app, counters, factors, score, trend, today }: Explanation, { weights }: RankingPolicy): object {
  const { qualified, actives, ratingCount, ratingSum, sessions, userDays, thisWeek, lastWeek, releasedDay } = counters;
  const metrics: Record<Factor, object> = {
    installs: { qualified_installs: qualified },
    actives: { active_users_30d: actives },
    rating: { average: ratingCount === 0 ? 0 : ratingSum / ratingCount, count: ratingCount },
    engagement: { sessions_30d: sessions, user_days_30d: userDays },
    recency: { days_since_release: releasedDay === undefined ? null : today - releasedDay },
  };
  return {
    miniapp_id: app.miniappId,
    score: score / 1e6,
    factors: factorNames.map((name) => ({ factor: name, weight: weights[name], value: factors[name], points: weights[name] * factors[name], ...metrics[name] })),
    trending: { is_trending: trend > 0, score: trend / 1e6, installs_this_week: thisWeek.installs, installs_last_week: lastWeek.installs },
  };
}

const ratingBody = (miniappId: string, { ratingCount: count, ratingSum: sum }: RatingTotals, own: number | undefined): object => ({
  miniapp_id: miniappId,
  rating: count === 0 ? unrated : { average: Math.round((100 * sum) / count) / 100, count },
  ...(own === undefined ? {} : { your_rating: own }),
});

/** What everybody sees may be kept for a moment by anybody; what one user sees, by nobody. */
const publicCache = { 'Cache-Control': 'public, max-age=60', Vary: 'Authorization' };

const viewerOf = ({ principal }: ApiRequest): UserId | undefined => (principal.kind === 'session' ? principal.userId : undefined);
const answerTo = (request: ApiRequest, body: object): ApiAnswer => answer(body, 200, viewerOf(request) === undefined ? publicCache : { Vary: 'Authorization' });

function roomIn(request: ApiRequest): RoomId | undefined {
  const { room_id: roomId } = request.body as { room_id?: string };
  if (roomId !== undefined && !isRoomId(roomId)) throw invalidField('room_id', 'is not a Matrix room id');
  return roomId;
}

export interface StoreRoutesDependencies {
  readonly database: Database;
  readonly store: Store;
  readonly installs: Installs;
  readonly launches: Launches;
  readonly ratings: Ratings;
  readonly policy: RankingPolicy;
}

export function storeRoutes({ database, store, installs, launches, ratings, policy }: StoreRoutesDependencies): Routes {
  const installedFor = async (request: ApiRequest): Promise<ReadonlySet<MiniAppId>> => {
    const userId = viewerOf(request);
    return userId === undefined ? new Set() : new Set((await installs.list(userId)).map(({ app }) => app.miniappId));
  };
  const rowsFor = async (request: ApiRequest, apps: readonly Pick<ListedApp, 'app' | 'rating'>[]): Promise<object[]> => {
    const installed = await installedFor(request);
    return apps.map(({ app, rating }) => storeRow(app, rating, installed.has(app.miniappId)));
  };
  const idIn = (request: ApiRequest): string => request.path.miniapp_id as string;
  const userIn = (request: ApiRequest): UserId => principalOf(request, 'session').userId;

  return {
    listStoreCategories: async (request) => answerTo(request, { categories: await store.categories() }),
    browseStore: async (request) => {
      const query = request.query as unknown as StoreQuery;
      const { apps, total, hasMore, nextCursor } = await store.browse(query);
      const { limit, offset } = query;
      return answerTo(request, { apps: await rowsFor(request, apps), pagination: { total, limit, offset, has_more: hasMore }, ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }) });
    },
    listTrending: async (request) => answerTo(request, { apps: await rowsFor(request, await store.trending(request.query.limit as number)) }),
    getStoreApp: async (request) => {
      const userId = viewerOf(request);
      const found = await store.get(userId, idIn(request));
      const [row] = await rowsFor(request, [found]);
      const own = userId === undefined ? undefined : await ratings.find(userId, found.app.miniappId);
      return answerTo(request, { ...row, ...(own === undefined ? {} : { your_rating: own }), apps: [row] });
    },
    explainRanking: async (request) => answerTo(request, explanationBody(await store.explain(viewerOf(request), idIn(request)), policy)),
    installApp: async (request) => {
      const { widget = false } = request.body as { widget?: boolean };
      const roomId = roomIn(request);
      if (widget && roomId === undefined) throw invalidField('widget', 'needs a room_id');
      const { miniappId, installId, isNew } = await installs.install(userIn(request), idIn(request), roomId === undefined ? undefined : { roomId, widget });
      return answer({ miniapp_id: miniappId, status: isNew ? 'installing' : 'installed', install_id: installId });
    },
    uninstallApp: async (request) => {
      await installs.uninstall(userIn(request), idIn(request));
      return answer({ miniapp_id: idIn(request), status: 'uninstalled' });
    },
    launchApp: async (request) => {
      const body = request.body as { session_id?: string; launch_source: string; launch_params?: object };
      const { app, session } = await launches.launch(userIn(request), idIn(request), { sessionId: body.session_id, source: body.launch_source, launchParams: body.launch_params ?? {}, roomId: roomIn(request) });
      return answer({ miniapp_id: app.miniappId, session_id: session.sessionId, version: app.version, entry_point: app.entryPoint, launch_source: session.source, launched_at: isoTime(session.launchedAt) }, 201);
    },
    rateApp: async (request) => {
      const { rating } = request.body as { rating: number };
      return answer(ratingBody(idIn(request), await ratings.rate(userIn(request), idIn(request), rating), rating));
    },
    unrateApp: async (request) => answer(ratingBody(idIn(request), await ratings.withdraw(userIn(request), idIn(request)), undefined)),
    listInstalled: async (request) => {
      const apps = await installs.list(userIn(request));
      const rated = await listRatings(database, apps.map(({ app }) => app.miniappId));
      return answer({
        apps: apps.map(({ app, version, installId, installedAt }) => ({
          ...storeRow(app, rated.get(app.miniappId) ?? unrated, true),
          status: app.status,
          installed_version: version,
          ...(installId === undefined ? {} : { install_id: installId }),
          ...(installedAt === undefined ? {} : { installed_at: isoTime(installedAt) }),
        })),
      });
    },
  };
}
