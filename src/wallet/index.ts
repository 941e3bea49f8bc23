export type { Movement, MovementCode, Party, ReleaseOutcome, UserStatus, Wallet, WalletRecord } from './port.ts';
export { statusOf } from './port.ts';
export { createWallet, type WalletDependencies } from './wallet.ts';
export { createWalletAdministration, type WalletAdministration } from './administration.ts';
export { levelsOf, highestLevel, type LevelTable } from './levels.ts';
export { auditLedger, breaksOf, totalsOf, type Break, type BooksTotal } from './ledger/audit-repo.ts';
