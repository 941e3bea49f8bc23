export { createTransfers, transferJobs, type TransferPolicy, type Transfers } from './transfers.ts';
export { transferMachine, type TransferCommand, type TransferStatus } from './machine.ts';
export { transferRoutes } from './routes.ts';
export { auditTransfers } from './repo.ts';
