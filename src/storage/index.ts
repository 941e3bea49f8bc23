export { createStorage, type Storage } from './storage.ts';
export type { Told as StorageTold } from './types.ts';
export { storageRoutes } from './routes.ts';
export { listUsedKeys } from './key-repo.ts';
export { resealJob, resealKind } from './reseal.ts';
