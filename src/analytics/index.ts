export { createAnalytics } from './analytics.ts';
export { analyticsRoutes } from './routes.ts';
