export { createGifts, giftJobs, type GiftPolicy, type Gifts } from './gifts.ts';
export { giftMachine, type GiftCommand, type GiftStatus } from './machine.ts';
export { split, type Distribution } from './distribution.ts';
export { giftRoutes } from './routes.ts';
export { auditGifts } from './repo.ts';
