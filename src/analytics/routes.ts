import { answer, type Principal, type Routes } from '../http/index.ts';
import type { MiniAppId } from '../kernel/ids.ts';
import { amountNumber } from '../kernel/money.ts';
import type { Analytics, Deliveries, Figures, Money, Report } from './analytics.ts';
import { dateOf } from './period.ts';

export interface AnalyticsRoutesDependencies {
  readonly analytics: Analytics;
  /** The app's id, for who may see it. @throws AppError for everybody else, as for an app that is not there */
  readonly requireApp: (principal: Principal, miniappId: string, right: 'read') => Promise<MiniAppId>;
}

const moneyBody = ({ currency, payments, paidMinor, refunds, refundedMinor }: Money): object => ({
  currency,
  payments,
  volume: amountNumber(paidMinor, currency),
  refunds,
  refunded: amountNumber(refundedMinor, currency),
});

const deliveriesBody = ({ delivered, failed, pending }: Deliveries): object => ({ delivered, failed, pending });

const figuresBody = ({ installs, uninstalls, activePeople, sessions, ratings, money, deliveries }: Figures): object => ({
  installs,
  uninstalls,
  active_users: activePeople,
  sessions,
  ratings,
  payments: money.filter(({ sandbox }) => !sandbox).map(moneyBody),
  sandbox_payments: money.filter(({ sandbox }) => sandbox).map(moneyBody),
  webhooks: deliveriesBody(deliveries),
});

function totalBody({ activePeople, ...figures }: Figures): object {
  const { active_users: _days, ...body } = figuresBody({ activePeople, ...figures }) as Record<string, unknown>;
  // Who came on three days is counted three times: it must not be called users.
  return { ...body, active_user_days: activePeople };
}

const reportBody = ({ miniappId, period, fewest, total, days, now }: Report): object => ({
  miniapp_id: miniappId,
  period: { from: dateOf(period.from), to: dateOf(period.to), days: days.length },
  min_people: fewest,
  total: totalBody(total),
  days: days.map(({ day, ...figures }) => ({ date: dateOf(day), ...figuresBody(figures) })),
  current: {
    installed_users: now.installed,
    active_users_7d: now.active7,
    active_users_30d: now.active30,
    rating: now.rating,
    versions: now.versions.map(({ version, people }) => ({ version, users: people })),
  },
});

/** `GET /mini-apps/v1/{id}/analytics`: for the developers of the app in every role, and administrators. */
export const analyticsRoutes = ({ analytics, requireApp }: AnalyticsRoutesDependencies): Routes => ({
  getAnalytics: async (request) => {
    const miniappId = await requireApp(request.principal, request.path.miniapp_id as string, 'read');
    return answer(reportBody(await analytics.report(miniappId, request.query)));
  },
});
