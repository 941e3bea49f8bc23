export { createFollowers, type StepDependencies, type VersionStep } from './followers.ts';
export { announcer, createLifecycle, type Lifecycle } from './lifecycle.ts';
export { versionMachine, type VersionState } from './machine.ts';
export { releaseRoutes, registrarOf, appIn } from './routes.ts';
export type { Version } from './types.ts';
export { createVersions, type Versions } from './versions.ts';
