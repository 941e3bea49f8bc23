import { createMachine } from 'xstate';

export type PaymentStatus = 'pending_authorization' | 'mfa_required' | 'authorized' | 'processing' | 'completed' | 'partially_refunded' | 'refunded' | 'cancelled' | 'expired' | 'failed';
export type PaymentCommand = 'require_mfa' | 'authorize' | 'process' | 'complete' | 'fail' | 'cancel' | 'expire' | 'refund' | 'refund_all';

/**
 * Life of a payment to a mini-app: specification section 7.1, read as decision D8 says. `processing` is where a wallet that
 * answers later leaves it: from there only its answer leads on. A new challenge leads from `mfa_required` to itself.
 */
export const paymentMachine = createMachine({
  id: 'payment',
  initial: 'pending_authorization',
  states: {
    pending_authorization: { on: { authorize: 'authorized', require_mfa: 'mfa_required', cancel: 'cancelled', expire: 'expired', fail: 'failed' } },
    mfa_required: { on: { authorize: 'authorized', require_mfa: 'mfa_required', cancel: 'cancelled', expire: 'expired', fail: 'failed' } },
    authorized: { on: { process: 'processing', cancel: 'cancelled', expire: 'expired', fail: 'failed' } },
    processing: { on: { complete: 'completed', fail: 'failed' } },
    completed: { on: { refund: 'partially_refunded', refund_all: 'refunded' } },
    partially_refunded: { on: { refund: 'partially_refunded', refund_all: 'refunded' } },
    refunded: { type: 'final' },
    cancelled: { type: 'final' },
    expired: { type: 'final' },
    failed: { type: 'final' },
  },
});
