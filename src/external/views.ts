import { isoTime } from '../kernel/clock.ts';
import { amountNumber } from '../kernel/money.ts';
import type { ApprovedWithdrawal } from './approvals.ts';
import { verificationOf, type Approval, type ExternalAccount, type Funding, type Order, type Withdrawal } from './types.ts';

/** Sections 6.5 and 6.6 leave the shapes to us. Every answer names the provider: a sandbox is told from a bank by nothing else. */
export function accountView(account: ExternalAccount, attemptsLeft: number): Record<string, unknown> {
  const { id, provider, type, currency, label, lastFour, status, begunAt, errorCode, createdAt, expiresAt, verifiedAt, endedAt } = account;
  return {
    external_account_id: id,
    provider,
    account_type: type,
    currency,
    last_four: lastFour,
    ...(label === undefined ? {} : { label }),
    status,
    ...(status === 'pending_verification' ? { verification: { method: verificationOf(type), ready: begunAt !== undefined, attempts_left: attemptsLeft } } : {}),
    ...(errorCode === undefined ? {} : { error_code: errorCode }),
    timestamp: isoTime(createdAt),
    ...(expiresAt === undefined ? {} : { expires_at: isoTime(expiresAt) }),
    ...(verifiedAt === undefined ? {} : { verified_at: isoTime(verifiedAt) }),
    ...(endedAt === undefined ? {} : { [`${status}_at`]: isoTime(endedAt) }),
  };
}

function orderView(order: Order, provider: string): Record<string, unknown> {
  const { id, kind, accountId, status, amountMinor, currency, note, txnId, providerReference, error, createdAt, confirmedAt, expiresAt, endedAt } = order;
  return {
    [`${kind}_id`]: id,
    provider,
    external_account_id: accountId,
    status,
    amount: amountNumber(amountMinor, currency),
    currency,
    ...(note === undefined ? {} : { note }),
    ...(txnId === undefined ? {} : { txn_id: txnId }),
    ...(providerReference === undefined ? {} : { provider_reference: providerReference }),
    ...(error === undefined ? {} : { error_code: error.code, error_message: error.message }),
    timestamp: isoTime(createdAt),
    ...(confirmedAt === undefined ? {} : { confirmed_at: isoTime(confirmedAt) }),
    ...(expiresAt === undefined ? {} : { expires_at: isoTime(expiresAt) }),
    ...(endedAt === undefined ? {} : { [`${status}_at`]: isoTime(endedAt) }),
  };
}

export const fundingView = (funding: Funding, provider: string): Record<string, unknown> => orderView(funding, provider);
export const withdrawalView = (withdrawal: Withdrawal, provider: string): Record<string, unknown> => ({ ...orderView(withdrawal, provider), approval_required: withdrawal.approvalsNeeded > 0 });

const approvalView = ({ administrator, note, approvedAt }: Approval): object => ({ administrator, ...(note === undefined ? {} : { note }), approved_at: isoTime(approvedAt) });

/** For administrators: whose it is, and who has approved it. */
export const approvedView = ({ withdrawal, approvals }: ApprovedWithdrawal, provider: string): Record<string, unknown> => ({
  ...withdrawalView(withdrawal, provider),
  user_id: withdrawal.userId,
  approvals_needed: withdrawal.approvalsNeeded,
  approvals: approvals.map(approvalView),
});
