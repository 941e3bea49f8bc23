import { createMachine } from 'xstate';

export type AccountStatus = 'pending_authorization' | 'pending_verification' | 'verified' | 'failed' | 'removed';
export type AccountCommand = 'confirm' | 'verify' | 'fail' | 'expire' | 'remove';

/** Life of an account outside (section 6.5): the user's hand, then the provider's word that it is theirs. */
export const accountMachine = createMachine({
  id: 'external account',
  initial: 'pending_authorization',
  states: {
    pending_authorization: { on: { confirm: 'pending_verification', expire: 'removed', remove: 'removed' } },
    pending_verification: { on: { verify: 'verified', fail: 'failed', expire: 'failed', remove: 'removed' } },
    verified: { on: { remove: 'removed' } },
    failed: { type: 'final' },
    removed: { type: 'final' },
  },
});

export type FundingStatus = 'pending_authorization' | 'processing' | 'completed' | 'failed' | 'expired';
export type FundingCommand = 'confirm' | 'complete' | 'fail' | 'expire';

/** Life of a funding. From `processing` only the provider's answer leads on: it may have taken the money already. */
export const fundingMachine = createMachine({
  id: 'funding',
  initial: 'pending_authorization',
  states: {
    pending_authorization: { on: { confirm: 'processing', expire: 'expired' } },
    processing: { on: { complete: 'completed', fail: 'failed' } },
    completed: { type: 'final' },
    failed: { type: 'final' },
    expired: { type: 'final' },
  },
});

export type WithdrawalStatus = 'pending_authorization' | 'pending_approval' | 'processing' | 'completed' | 'failed' | 'cancelled' | 'expired';
export type WithdrawalCommand = 'confirm' | 'await_approval' | 'approve' | 'reject' | 'cancel' | 'expire' | 'complete' | 'fail';

/** Life of a withdrawal (section 6.6). From `processing` only the provider's answer leads on: it may have paid already. */
export const withdrawalMachine = createMachine({
  id: 'withdrawal',
  initial: 'pending_authorization',
  states: {
    pending_authorization: { on: { confirm: 'processing', await_approval: 'pending_approval', cancel: 'cancelled', expire: 'expired' } },
    pending_approval: { on: { approve: 'processing', reject: 'failed', cancel: 'cancelled', expire: 'expired' } },
    processing: { on: { complete: 'completed', fail: 'failed' } },
    completed: { type: 'final' },
    failed: { type: 'final' },
    cancelled: { type: 'final' },
    expired: { type: 'final' },
  },
});
