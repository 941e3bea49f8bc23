import { isRoomId, isUserId, type UserId } from '../../kernel/ids.ts';
import { asCurrency } from '../../kernel/money.ts';
import type { History } from '../history.ts';
import type { HistoryEntry, HistoryStatus } from '../history-repo.ts';
import type { WalletServiceClient } from './client.ts';
import type { WireTransaction } from './wire.ts';

const entryOf = (userId: UserId, wire: WireTransaction): HistoryEntry => ({
  userId,
  txnId: wire.transaction_id,
  type: wire.type,
  amountMinor: wire.amount_minor,
  currency: asCurrency(wire.currency),
  from: isUserId(wire.from_user) ? wire.from_user : undefined,
  to: isUserId(wire.to_user) ? wire.to_user : undefined,
  status: wire.status as HistoryStatus,
  ref: wire.reference,
  note: wire.note,
  roomId: isRoomId(wire.room_id) ? wire.room_id : undefined,
  createdAt: Date.parse(wire.created_at),
});

/** As the wallet service keeps it. */
export const createRemoteHistory = (client: WalletServiceClient): History => ({
  async list(userId, page) {
    const { transactions, total } = await client.transactions(userId, page);
    return { entries: transactions.map((wire) => entryOf(userId, wire)), total };
  },
  async find(userId, txnId) {
    const found = await client.transaction(userId, txnId);
    return found === undefined ? undefined : entryOf(userId, found);
  },
});
