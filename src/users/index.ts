export { isSuspended } from './repo.ts';
export { createUsers, type Users } from './users.ts';
export { userRoutes } from './routes.ts';
