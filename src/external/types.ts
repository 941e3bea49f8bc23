import type { UserId } from '../kernel/ids.ts';
import type { Currency, Money } from '../kernel/money.ts';
import type { AccountStatus, FundingStatus, WithdrawalStatus } from './machines.ts';

/** Specification section 6.5.1. */
export const accountTypes = ['bank_account', 'card', 'digital_wallet', 'mobile_money'] as const;
export type AccountType = (typeof accountTypes)[number];

/** How a provider makes sure that the account is the user's: two small deposits that they read off, or a code that it sends them. */
export type VerificationMethod = 'micro_deposits' | 'code';
export const verificationOf = (type: AccountType): VerificationMethod => (type === 'bank_account' ? 'micro_deposits' : 'code');

/** A user's account outside. Times in milliseconds since the epoch. */
export interface ExternalAccount {
  readonly id: string;
  readonly userId: UserId;
  /** Name of the provider that looks after it. */
  readonly provider: string;
  readonly type: AccountType;
  readonly currency: Currency;
  readonly label: string | undefined;
  readonly lastFour: string;
  /** Undefined once it has ended: then nobody needs them. */
  readonly sealed: string | undefined;
  readonly fingerprint: string;
  readonly status: AccountStatus;
  readonly attempts: number;
  /** When the provider took it on. */
  readonly begunAt: number | undefined;
  readonly errorCode: string | undefined;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly verifiedAt: number | undefined;
  readonly endedAt: number | undefined;
}

interface OrderFields extends Money {
  readonly id: string;
  readonly userId: UserId;
  readonly accountId: string;
  readonly note: string | undefined;
  /** What the ledger booked: of a withdrawal the hold, of a funding the money that came in. */
  readonly txnId: string | undefined;
  readonly confirmedAt: number | undefined;
  /** When the provider was first asked. From then on only its answer leads on. */
  readonly askedAt: number | undefined;
  readonly providerReference: string | undefined;
  readonly error: { readonly code: string; readonly message: string } | undefined;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** Money from an account outside into its owner's wallet. Its terms never change. */
export interface Funding extends OrderFields {
  readonly kind: 'funding';
  readonly status: FundingStatus;
}

/** Money from a wallet to its owner's account outside. Its terms never change. */
export interface Withdrawal extends OrderFields {
  readonly kind: 'withdrawal';
  readonly status: WithdrawalStatus;
  /** How many administrators have to approve it; 0 where none has to. */
  readonly approvalsNeeded: number;
}

export type Order = Funding | Withdrawal;

export interface Approval {
  readonly administrator: string;
  readonly note: string | undefined;
  readonly approvedAt: number;
}
