export { createMiniApps, type Actor, type MiniApps, type RegisteredClient, type Registrar, type Registration } from './miniapps.ts';
export { appStateEvent } from './events.ts';
export { approvalOf, miniappMachine, rejectionOf, type MiniAppStatus } from './machine.ts';
export type { Owner, Ownership } from './ownership.ts';
export { miniappRoutes, type MiniAppRoutesDependencies } from './routes.ts';
export { miniappFromRow, type MiniAppRow } from './repo.ts';
export { adoptPreinstalled, readManifest } from './manifest.ts';
export { isAdminRegistered, isPreinstalled, isRemovable, type MiniApp } from './types.ts';
