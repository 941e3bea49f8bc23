export { createWalletService, type WalletServiceDependencies } from './routes.ts';
