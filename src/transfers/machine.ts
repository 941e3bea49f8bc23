import { createMachine } from 'xstate';

export type TransferStatus = 'pending_authorization' | 'processing' | 'pending_recipient_acceptance' | 'completed' | 'cancelled' | 'rejected' | 'expired' | 'failed';
/** The last line is of a wallet that answers later. */
export type TransferCommand =
  | 'complete' | 'await_acceptance' | 'accept' | 'reject' | 'cancel' | 'expire'
  | 'process' | 'fail' | 'settle_complete' | 'settle_await_acceptance' | 'settle_reject' | 'settle_cancel' | 'settle_expire';

/**
 * Life of a transfer between people: specification sections 7.1 and 7.2.7, read as decision D8 says. `processing` is where a wallet that
 * answers later leaves it, at its confirmation and at the end of one that waited: from there only the answer leads on, to the state that
 * was meant. Only a confirmation can fail: what was held is not refused any more.
 */
export const transferMachine = createMachine({
  id: 'transfer',
  initial: 'pending_authorization',
  states: {
    pending_authorization: { on: { complete: 'completed', await_acceptance: 'pending_recipient_acceptance', cancel: 'cancelled', expire: 'expired', process: 'processing' } },
    pending_recipient_acceptance: { on: { accept: 'completed', reject: 'rejected', cancel: 'cancelled', expire: 'expired', process: 'processing' } },
    processing: { on: { settle_complete: 'completed', settle_await_acceptance: 'pending_recipient_acceptance', settle_reject: 'rejected', settle_cancel: 'cancelled', settle_expire: 'expired', fail: 'failed' } },
    completed: { type: 'final' },
    cancelled: { type: 'final' },
    rejected: { type: 'final' },
    expired: { type: 'final' },
    failed: { type: 'final' },
  },
});
