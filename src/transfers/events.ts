import { isoTime } from '../kernel/clock.ts';
import type { UserId } from '../kernel/ids.ts';
import { amountNumber, amountText, eventAmounts } from '../kernel/money.ts';
import type { OutboundEvent, Place } from '../matrix/port.ts';
import type { NewNotice } from '../notices/index.ts';
import type { TransferStatus } from './machine.ts';
import type { Transfer } from './types.ts';

/** In the room that the request named, else in the notice room of each of the two (decision D19). */
export const placesOf = ({ roomId, payer, payee }: Transfer): Place[] => (roomId === undefined ? [{ noticesOf: payer }, { noticesOf: payee }] : [{ room: roomId }]);

const party = (userId: UserId): object => ({ user_id: userId });

const actions = (id: string): object[] => [
  { type: 'accept', label: 'Confirm Receipt', endpoint: `/wallet/v1/p2p/${id}/accept` },
  { type: 'reject', label: 'Decline', endpoint: `/wallet/v1/p2p/${id}/reject` },
];

/** `m.tween.wallet.p2p` (specification section 7.2.8). In an encrypted room it says neither how much nor what for (decision D18). */
export function transferContent(transfer: Transfer, hidden: boolean, now: number): Record<string, unknown> {
  const { id, note, payer, payee, status, acceptanceRequired, expiresAt, txnId } = transfer;
  const amounts = hidden ? {} : eventAmounts(transfer);
  return {
    msgtype: 'm.tween.money',
    body: hidden ? '💸 Sent money' : `💸 Sent ${amountText(transfer.amountMinor, transfer.currency)} ${transfer.currency}`,
    transfer_id: id,
    ...amounts,
    transaction: { txn_id: txnId, ...amounts },
    ...(note === undefined || hidden ? {} : { note }),
    sender: party(payer),
    recipient: party(payee),
    status,
    recipient_acceptance_required: acceptanceRequired,
    ...(status === 'pending_recipient_acceptance' && expiresAt !== undefined ? { expires_at: isoTime(expiresAt), actions: actions(id) } : {}),
    timestamp: isoTime(now),
  };
}

export const transferEvents = (transfer: Transfer, hidden: boolean, now: number, types: readonly string[]): OutboundEvent[] =>
  placesOf(transfer).flatMap((place) => types.map((type, n) => ({ place, speaker: 'payments' as const, type, content: transferContent(transfer, hidden, now), ...(n === 0 ? { remember: transfer.id } : {}) })));

type Outcome = Extract<TransferStatus, 'completed' | 'rejected' | 'cancelled' | 'expired'>;
const outcomes: Readonly<Record<Outcome, { readonly at: string; readonly visual: object }>> = {
  completed: { at: 'accepted_at', visual: { icon: '✓', color: 'green', status_text: 'Accepted' } },
  rejected: { at: 'rejected_at', visual: { icon: '✗', color: 'red', status_text: 'Declined' } },
  cancelled: { at: 'cancelled_at', visual: { icon: '✗', color: 'grey', status_text: 'Cancelled' } },
  expired: { at: 'expired_at', visual: { icon: '⏱', color: 'grey', status_text: 'Expired' } },
};

/** `m.tween.wallet.p2p.status`: how a transfer that was announced as waiting ended. */
export function statusEvents(transfer: Transfer & { readonly status: Outcome }, now: number): OutboundEvent[] {
  const { at, visual } = outcomes[transfer.status];
  const content = { transfer_id: transfer.id, status: transfer.status, [at]: isoTime(now), sender: party(transfer.payer), recipient: party(transfer.payee), visual, timestamp: isoTime(now) };
  return placesOf(transfer).map((place) => ({ place, speaker: 'payments' as const, type: 'm.tween.wallet.p2p.status', content, relatesTo: transfer.id }));
}

/** For the devices of the two. Of a transfer that was never confirmed the payee knows nothing. */
export function transferNotices({ id, payer, payee, status, amountMinor, currency, roomId, txnId }: Transfer): NewNotice[] {
  const notice = (userId: UserId, role: 'payer' | 'payee', counterparty: UserId): NewNotice => ({
    userId,
    kind: 'transfer.updated',
    body: { transfer_id: id, status, role, counterparty, amount: amountNumber(amountMinor, currency), currency, room_id: roomId },
  });
  return [notice(payer, 'payer', payee), ...(txnId === undefined ? [] : [notice(payee, 'payee', payer)])];
}
