export { auditPayments } from './audit-repo.ts';
export { paymentRequestCommand } from './bot-requests.ts';
export { paymentMachine, type PaymentCommand, type PaymentStatus } from './machine.ts';
export { createPayments, paymentJobs, type Payments } from './payments.ts';
export { paymentRoutes } from './routes.ts';
export { listTurnover, type Turnover } from './turnover-repo.ts';
