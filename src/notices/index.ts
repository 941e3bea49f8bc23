export { createNotices, type AppNotice, type NewNotice, type Notices } from './notices.ts';
export { noticeRoutes } from './routes.ts';
