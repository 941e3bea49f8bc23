export { createStorage, type Storage } from './storage.ts';
export { storageRoutes } from './routes.ts';
