import type { Database } from '../database/index.ts';
import { answer, type ApiRequest, type Principal, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import type { MiniAppId } from '../kernel/ids.ts';
import { findDelivery, listDeliveries, type Delivery, type DeliveryState } from './repo.ts';
import type { Webhooks } from './webhooks.ts';

export interface WebhookRoutesDependencies {
  readonly database: Database;
  readonly webhooks: Webhooks;
  /** The app's id, for who may see (`read`) or manage it. @throws AppError for everybody else, as for an app that is not there */
  readonly requireApp: (principal: Principal, miniappId: string, right: 'read' | 'manage') => Promise<MiniAppId>;
}

const deliveryBody = (delivery: Delivery): object => ({
  delivery_id: delivery.id,
  event: delivery.event,
  ...(delivery.url === undefined ? {} : { url: delivery.url }),
  state: delivery.state,
  attempts: delivery.attempts,
  ...(delivery.lastStatus === undefined ? {} : { last_status: delivery.lastStatus }),
  ...(delivery.lastError === undefined ? {} : { last_error: delivery.lastError }),
  created_at: isoTime(delivery.createdAt),
  ...(delivery.nextAt === undefined ? {} : { next_attempt_at: isoTime(delivery.nextAt) }),
  ...(delivery.settledAt === undefined ? {} : { settled_at: isoTime(delivery.settledAt) }),
});

/** Specification section 9.1.2: the log of deliveries, their repetition, and a trial. */
export function webhookRoutes({ database, webhooks, requireApp }: WebhookRoutesDependencies): Routes {
  const appIn = (request: ApiRequest, right: 'read' | 'manage') => requireApp(request.principal, request.path.miniapp_id as string, right);
  return {
    listWebhookDeliveries: async (request) => {
      const miniappId = await appIn(request, 'read');
      const { limit, state, before: beforeId } = request.query as unknown as { limit: number; state?: DeliveryState; before?: string };
      const before = beforeId === undefined ? undefined : await findDelivery(database, beforeId);
      if (beforeId !== undefined && before?.miniappId !== miniappId) throw invalidField('before', 'is not a delivery of this mini-app');
      const deliveries = await listDeliveries(database, miniappId, { limit, ...(state === undefined ? {} : { state }), ...(before === undefined ? {} : { before }) });
      return answer({ deliveries: deliveries.map(deliveryBody), ...(deliveries.length === limit ? { next_before: deliveries.at(-1)!.id } : {}) });
    },
    replayWebhookDelivery: async (request) => {
      const miniappId = await appIn(request, 'manage');
      return answer(deliveryBody(await webhooks.replay(miniappId, request.path.delivery_id as string)), 202);
    },
    testWebhook: async (request) => {
      const miniappId = await appIn(request, 'manage');
      const id = await database.inTransaction((tx) => webhooks.send(tx, { miniappId, event: 'webhook.test', data: { miniapp_id: miniappId } }));
      if (id === undefined) throw invalidField('miniapp_id', 'has no webhook_url');
      return answer({ delivery_id: id }, 202);
    },
  };
}
