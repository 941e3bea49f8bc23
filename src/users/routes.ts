import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { isUserId, type UserId } from '../kernel/ids.ts';
import { amountNumber, asCurrency } from '../kernel/money.ts';
import type { Users } from './users.ts';

const userOf = (request: ApiRequest): UserId => {
  const { user_id: userId } = request.path;
  if (!isUserId(userId)) throw invalidField('user_id', 'is not a Matrix user id');
  return userId;
};

export const userRoutes = (users: Users): Routes => ({
  suspendUser: async (request) => {
    const userId = userOf(request);
    const { reason } = request.body as { reason: string };
    const { endedSessions, frozeWallet } = await users.suspend(userId, principalOf(request, 'admin').name, reason);
    return answer({ user_id: userId, status: 'suspended', ended_sessions: endedSessions, wallet_frozen: frozeWallet });
  },
  reinstateUser: async (request) => {
    const userId = userOf(request);
    await users.reinstate(userId, principalOf(request, 'admin').name, (request.body as { reason?: string }).reason);
    return answer({ user_id: userId, status: 'active' });
  },
  eraseUser: async (request) => {
    const userId = userOf(request);
    const { reason, forfeit_balance: forfeitBalance = false } = request.body as { reason: string; forfeit_balance?: boolean };
    const { erasureId, erasedAt, deleted, pseudonymised, pseudonym, forfeited } = await users.erase(userId, principalOf(request, 'admin').name, { reason, forfeitBalance });
    return answer({
      user_id: userId,
      status: 'erased',
      erasure_id: erasureId,
      erased_at: isoTime(erasedAt),
      deleted,
      pseudonymised,
      ...(pseudonym === undefined ? {} : { pseudonym }),
      forfeited: forfeited.map(({ currency, minor }) => ({ currency, amount: amountNumber(minor, asCurrency(currency)) })),
    });
  },
});
