import { createMachine } from 'xstate';

export type TransferStatus = 'pending_authorization' | 'pending_recipient_acceptance' | 'completed' | 'cancelled' | 'rejected' | 'expired';
export type TransferCommand = 'complete' | 'await_acceptance' | 'accept' | 'reject' | 'cancel' | 'expire';

/** Life of a transfer between people: specification sections 7.1 and 7.2.7, read as decision D8 says. */
export const transferMachine = createMachine({
  id: 'transfer',
  initial: 'pending_authorization',
  states: {
    pending_authorization: { on: { complete: 'completed', await_acceptance: 'pending_recipient_acceptance', cancel: 'cancelled', expire: 'expired' } },
    pending_recipient_acceptance: { on: { accept: 'completed', reject: 'rejected', cancel: 'cancelled', expire: 'expired' } },
    completed: { type: 'final' },
    cancelled: { type: 'final' },
    rejected: { type: 'final' },
    expired: { type: 'final' },
  },
});
