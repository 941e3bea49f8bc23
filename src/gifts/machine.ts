import { createMachine } from 'xstate';

export type GiftStatus = 'pending_authorization' | 'processing' | 'active' | 'partially_opened' | 'fully_opened' | 'expired' | 'failed';
export type GiftCommand = 'confirm' | 'process' | 'fund' | 'fail' | 'open' | 'open_last' | 'expire';

/**
 * Life of a gift: specification section 7.1, with the confirmation of decision D20 in front. `processing` is where a wallet that answers
 * later leaves one that is to go into escrow; what comes out of the escrow can't be refused, so that nothing waits for it.
 */
export const giftMachine = createMachine({
  id: 'gift',
  initial: 'pending_authorization',
  states: {
    pending_authorization: { on: { confirm: 'active', process: 'processing', expire: 'expired' } },
    processing: { on: { fund: 'active', fail: 'failed' } },
    active: { on: { open: 'partially_opened', open_last: 'fully_opened', expire: 'expired' } },
    partially_opened: { on: { open: 'partially_opened', open_last: 'fully_opened', expire: 'expired' } },
    fully_opened: { type: 'final' },
    expired: { type: 'final' },
    failed: { type: 'final' },
  },
});
