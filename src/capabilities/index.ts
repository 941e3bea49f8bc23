export { capabilityRoutes } from './routes.ts';
export type { Offer } from './capabilities.ts';
