export { bundleRoutes } from './bundle-routes.ts';
export { createLocalStore, createS3Store, type BundleStore } from './bundle-store.ts';
export { createBundles, removalKind, type Bundles } from './bundles.ts';
export { createFollowers, type StepDependencies, type VersionStep } from './followers.ts';
export { announcer, createLifecycle, type Lifecycle } from './lifecycle.ts';
export { versionMachine, type VersionState } from './machine.ts';
export { releaseRoutes, registrarOf, appIn } from './routes.ts';
export type { Version } from './types.ts';
export { createVersions, type Versions } from './versions.ts';
