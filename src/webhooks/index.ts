export { webhookRoutes } from './routes.ts';
export { createWebhooks, deliveryKind, type Endpoint, type WebhookEvent, type Webhooks } from './webhooks.ts';
