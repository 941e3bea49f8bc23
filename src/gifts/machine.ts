import { createMachine } from 'xstate';

export type GiftStatus = 'pending_authorization' | 'active' | 'partially_opened' | 'fully_opened' | 'expired';
export type GiftCommand = 'confirm' | 'open' | 'open_last' | 'expire';

/** Life of a gift: specification section 7.1, with the confirmation of decision D20 in front. */
export const giftMachine = createMachine({
  id: 'gift',
  initial: 'pending_authorization',
  states: {
    pending_authorization: { on: { confirm: 'active', expire: 'expired' } },
    active: { on: { open: 'partially_opened', open_last: 'fully_opened', expire: 'expired' } },
    partially_opened: { on: { open: 'partially_opened', open_last: 'fully_opened', expire: 'expired' } },
    fully_opened: { type: 'final' },
    expired: { type: 'final' },
  },
});
