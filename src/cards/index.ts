export { createCards, type Cards } from './cards.ts';
export { cardRoutes } from './routes.ts';
