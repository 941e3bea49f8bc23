export { machineRoomRoutes } from './admin-routes.ts';
export { createLog, withoutSecrets, type LogOptions } from './log.ts';
export { createMaintenance, maintenanceKind } from './maintenance.ts';
export { createMetrics, metricsServer, type Metrics } from './metrics.ts';
export { operationsRoutes } from './routes.ts';
