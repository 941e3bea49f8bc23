export { createAppeals, forsakenKind, type Appeals } from './appeals.ts';
export { checksKind, createReviews, type Reviews } from './reviews.ts';
export { reviewRoutes } from './routes.ts';
