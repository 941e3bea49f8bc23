export { machineRoomRoutes } from './admin-routes.ts';
export { createLog, withoutSecrets, type LogOptions } from './log.ts';
export { createMaintenance, maintenanceKind } from './maintenance.ts';
export { createMetrics, metricsServer, type Metrics } from './metrics.ts';
export { operationsRoutes } from './routes.ts';
export { referenceRoutes } from './reference.ts';
export { openTracing, type Tracing } from './tracing.ts';
