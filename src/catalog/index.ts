export { noteInstalledVersion } from './installed-version.ts';
export { createInstalls, type Installs } from './installs.ts';
export { launchCommand } from './launches.ts';
export { storeRoutes } from './routes.ts';
