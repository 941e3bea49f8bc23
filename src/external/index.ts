export { createExternal, type External } from './external.ts';
export { accountMachine, fundingMachine, withdrawalMachine, type AccountCommand, type AccountStatus, type FundingCommand, type FundingStatus, type WithdrawalCommand, type WithdrawalStatus } from './machines.ts';
export type { PaymentProvider, ProviderAnswer, ProviderOrder } from './provider.ts';
export { createSandboxProvider, sandboxAnswerMs } from './sandbox.ts';
export { auditExternal } from './audit-repo.ts';
export type { Order } from './types.ts';
