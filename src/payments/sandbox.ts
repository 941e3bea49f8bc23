import { AppError } from '../kernel/errors.ts';
import type { Payment } from './types.ts';

export type SandboxOutcome = 'complete' | 'decline' | 'insufficient_funds' | 'answer_later' | 'require_mfa';

/** Amounts of the sandbox that force an outcome, in minor units of whichever currency (decision D8; docs/mini-app-developers.md). */
const magicAmounts: ReadonlyMap<number, SandboxOutcome> = new Map([
  [1001, 'decline'],
  [1002, 'answer_later'],
  [1003, 'require_mfa'],
  [1004, 'insufficient_funds'],
]);

/** How long the sandbox's wallet takes where it does not answer at once. */
export const sandboxAnswerMs = 30_000;

/** `complete` for real payments: their outcome is the wallet's. */
export const sandboxOutcome = ({ sandbox, amountMinor }: Pick<Payment, 'sandbox' | 'amountMinor'>): SandboxOutcome => (sandbox ? (magicAmounts.get(amountMinor) ?? 'complete') : 'complete');

/** @throws AppError for an amount that the sandbox's wallet refuses */
export function requireSandboxFunds(outcome: SandboxOutcome): void {
  if (outcome === 'decline') throw new AppError('PAYMENT_FAILED', 'The wallet declined the payment');
  if (outcome === 'insufficient_funds') throw new AppError('INSUFFICIENT_FUNDS', 'Wallet balance too low');
}
