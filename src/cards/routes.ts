import { answer, principalOf, type Routes } from '../http/index.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { isMiniAppId, isRoomId } from '../kernel/ids.ts';
import type { Card, Cards } from './cards.ts';

export const cardRoutes = ({ cards }: { readonly cards: Cards }): Routes => ({
  sendCard: async (request) => {
    const { audience, userId, context } = principalOf(request, 'session');
    const roomId = request.path.room_id as string;
    if (!isMiniAppId(audience)) throw new AppError('INSUFFICIENT_PERMISSIONS', 'This endpoint is for mini-apps');
    if (!isRoomId(roomId)) throw invalidField('room_id', 'is not a Matrix room id');
    const cardId = await cards.send({ miniappId: audience, userId, launchedIn: context?.room_id }, roomId, (request.body as { card: Card }).card);
    return answer({ card_id: cardId, room_id: roomId, status: 'accepted' }, 202);
  },
});
