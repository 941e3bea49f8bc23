import type { Currency, Money } from '../kernel/money.ts';
import type { AccountDetails } from './account-details.ts';
import type { AccountType } from './types.ts';

/** An account as its provider sees it. */
export interface AccountAtProvider {
  /** Ours; the provider's key for it. */
  readonly id: string;
  readonly type: AccountType;
  readonly currency: Currency;
  readonly details: AccountDetails;
}

/** What a user shows that the account is theirs: two amounts in minor units, or a code. */
export type VerificationEvidence = { readonly depositsMinor: readonly [number, number] } | { readonly code: string };

/** Money to be collected from an account, or paid to it. */
export interface ProviderOrder extends Money {
  /** The provider's idempotency key: however often it is asked, the money moves once. */
  readonly id: string;
  readonly account: AccountAtProvider;
  readonly confirmedAt: number;
}

/** For good, but for `pending`: then it is asked again later. `code` and `message` of a refusal are shown to the user. */
export type ProviderAnswer = { readonly outcome: 'done'; readonly reference: string } | { readonly outcome: 'refused'; readonly code: string; readonly message: string } | { readonly outcome: 'pending' };

/**
 * Who moves money between wallets and accounts outside (specification sections 6.5.2 and 6.6.2). Called outside of transactions
 * only, and with the same ids again after a crash or a lost answer: each call must be idempotent by them. Whatever is thrown means
 * that the outcome is unknown; it is then asked again, never taken for a no.
 */
export interface PaymentProvider {
  /** In every answer and event: who it is that moves the money. */
  readonly name: string;
  /** Takes the account on, and makes the deposits or sends the code. */
  beginVerification(account: AccountAtProvider, signal: AbortSignal): Promise<ProviderAnswer>;
  /** Whether the evidence is right. */
  verify(account: AccountAtProvider, evidence: VerificationEvidence, signal: AbortSignal): Promise<boolean>;
  /** A funding: from the account to us. */
  collect(order: ProviderOrder, signal: AbortSignal): Promise<ProviderAnswer>;
  /** A withdrawal: from us to the account. */
  payOut(order: ProviderOrder, signal: AbortSignal): Promise<ProviderAnswer>;
}

/** @throws Error when the provider does not answer in time: what came of it is unknown */
export async function within<T>(timeoutMs: number, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(timeoutMs);
  const late = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error(`the payment provider did not answer within ${timeoutMs} ms`))));
  return Promise.race([ask(signal), late]);
}
