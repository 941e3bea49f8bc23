import { isoTime } from '../kernel/clock.ts';
import { amountNumber, amountText, eventAmounts, type Money } from '../kernel/money.ts';
import type { OutboundEvent, Place } from '../matrix/port.ts';
import type { NewNotice } from '../notices/index.ts';
import type { Gift, OpenedShare } from './types.ts';

/** The room that the request named; without one, the notice rooms of giver and recipient. */
function placesOf({ roomId, giver, recipient }: Gift): Place[] {
  if (roomId !== undefined) return [{ room: roomId }];
  return [{ noticesOf: giver }, ...(recipient === undefined ? [] : [{ noticesOf: recipient }])];
}

/** The first event of a gift is remembered, and the others refer to it. */
const said = (gift: Gift, type: string, content: Record<string, unknown>): OutboundEvent[] =>
  placesOf(gift).map((place) => ({ place, speaker: 'payments', type, content, ...(type === 'm.tween.gift' ? { remember: gift.id } : { relatesTo: gift.id }) }));

const leadersShown = 10;

/** `m.tween.gift` (specification section 7.5.4). No event says an amount in an encrypted room (decision D18). */
export function giftEvents(gift: Gift, txnId: string, hidden: boolean, now: number): OutboundEvent[] {
  const { id, type, giver, recipient, message, count, expiresAt } = gift;
  const amounts = hidden ? {} : eventAmounts(gift);
  return said(gift, 'm.tween.gift', {
    msgtype: 'm.tween.gift',
    body: hidden ? '🎁 Gift' : `🎁 Gift: ${amountText(gift.amountMinor, gift.currency)} ${gift.currency}`,
    gift_id: id,
    type,
    ...amounts,
    ...('amount' in amounts ? { total_amount: amounts.amount } : {}),
    transaction: { txn_id: txnId, ...amounts },
    count,
    ...(message === undefined || hidden ? {} : { message }),
    sender: { user_id: giver },
    ...(recipient === undefined ? {} : { recipient: { user_id: recipient } }),
    status: 'active',
    opened_count: 0,
    expires_at: isoTime(expiresAt),
    actions: [{ type: 'open', label: 'Open Gift', endpoint: `/wallet/v1/gift/${id}/open` }],
    timestamp: isoTime(now),
  });
}

/** `m.tween.gift.opened`: by whom, how much, and who has most so far. */
export function openedEvents(gift: Gift, share: OpenedShare, opened: readonly OpenedShare[], hidden: boolean): OutboundEvent[] {
  const amountsOf = (amountMinor: number) => eventAmounts({ amountMinor, currency: gift.currency });
  const leaders = opened.slice(0, leadersShown).map(({ openedBy, amountMinor }) => {
    const { amount, amount_minor } = amountsOf(amountMinor);
    return { user: openedBy, amount, amount_minor };
  });
  return said(gift, 'm.tween.gift.opened', {
    gift_id: gift.id,
    opened_by: share.openedBy,
    ...(hidden ? {} : amountsOf(share.amountMinor)),
    opened_at: isoTime(share.openedAt),
    remaining_count: gift.count - gift.opened,
    leaderboard: hidden ? [] : leaders,
  });
}

/** `m.tween.gift.expired`: what was left went back. */
export function expiredEvents(gift: Gift, returned: Money, hidden: boolean, now: number): OutboundEvent[] {
  return said(gift, 'm.tween.gift.expired', {
    gift_id: gift.id,
    expired_at: isoTime(now),
    opened_count: gift.opened,
    remaining_count: gift.count - gift.opened,
    ...(hidden ? {} : eventAmounts(returned)),
    sender: { user_id: gift.giver },
  });
}

/** For the devices of the giver, and of the recipient of a gift to one. Members of a room hear of its gifts there. */
export function giftNotices(gift: Gift, neverActive: boolean): NewNotice[] {
  const { giver, recipient, amountMinor, currency } = gift;
  const body = (role: string): NewNotice['body'] => ({ ...giftFacts(gift), role, amount: amountNumber(amountMinor, currency) });
  const ofGiver: NewNotice = { userId: giver, kind: 'gift.updated', body: body('giver') };
  return recipient === undefined || neverActive ? [ofGiver] : [ofGiver, { userId: recipient, kind: 'gift.updated', body: body('recipient') }];
}

/** For the devices of who has just opened a gift to many. */
export const openerNotice = (gift: Gift, { openedBy, amountMinor }: OpenedShare): NewNotice => ({ userId: openedBy, kind: 'gift.updated', body: { ...giftFacts(gift), role: 'opener', amount: amountNumber(amountMinor, gift.currency) } });

const giftFacts = ({ id, status, opened, count, currency, roomId }: Gift): object => ({ gift_id: id, status, opened_count: opened, count, currency, room_id: roomId });
