export { countDeliveries, type DeliveryState } from './repo.ts';
export { webhookRoutes } from './routes.ts';
export { createWebhooks, deliveryKind, type Endpoint, type WebhookEvent, type Webhooks } from './webhooks.ts';
