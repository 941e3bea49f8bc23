export { createLimits, type Limits } from './limits.ts';
export { suspensionReasons } from './reasons.ts';
export { requestLimits } from './gate.ts';
export { readPolicy, type Policy } from './policy.ts';
export { createMemoryStore, type LimitStore } from './store.ts';
export { createSharedStore, type SharedStore } from './shared-store.ts';
export { connectRedis } from './redis.ts';
export { createSuspensions, type Suspensions } from './suspensions.ts';
export { suspensionRoutes } from './routes.ts';
