import { answer, errorBody, principalOf, type ApiAnswer, type ApiRequest, type Routes } from '../http/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { amountNumber, readAmount, readCurrency } from '../kernel/money.ts';
import { mfaRequired, readRoomId, readUserId } from '../wallet/index.ts';
import type { GiftRequest, Gifts, GiftWithShares } from './gifts.ts';
import type { OpenedShare } from './types.ts';

export interface GiftRoutesDependencies {
  readonly gifts: Gifts;
  readonly idempotency: Idempotency;
  readonly clock: Clock;
}

interface CreateBody {
  type: 'individual' | 'group';
  recipient?: string;
  currency: string;
  count?: number;
  distribution?: 'random' | 'equal';
  message?: string;
  room_id?: string;
  expires_in_seconds?: number;
  idempotency_key: string;
  auth_proof?: Record<string, unknown>;
}

/** Specification section 7.5.2. */
function giftView({ gift, opened }: GiftWithShares): Record<string, unknown> {
  const { id, status, error, type, giver, recipient, roomId, amountMinor, currency, count, message, createdAt, expiresAt } = gift;
  const shareView = (share: OpenedShare): object => ({ user_id: share.openedBy, amount: amountNumber(share.amountMinor, currency), opened_at: isoTime(share.openedAt) });
  return {
    gift_id: id,
    status,
    type,
    sender: { user_id: giver },
    ...(recipient === undefined ? {} : { recipient: { user_id: recipient } }),
    amount: amountNumber(amountMinor, currency),
    total_amount: amountNumber(amountMinor, currency),
    currency,
    count,
    remaining: count - gift.opened,
    opened_by: opened.map(shareView),
    ...(error === undefined ? {} : { error_code: error.code, error_message: error.message }),
    ...(message === undefined ? {} : { message }),
    ...(roomId === undefined ? {} : { room_id: roomId }),
    timestamp: isoTime(createdAt),
    expires_at: isoTime(expiresAt),
  };
}

/** An individual gift has an `amount`, one to a group a `total_amount`; either name is taken for both. */
function requestOf(request: ApiRequest): GiftRequest {
  const body = request.body as CreateBody;
  const currency = readCurrency(body.currency, 'currency');
  const [amount, total] = [request.amountText('amount'), request.amountText('total_amount')];
  if (amount !== undefined && total !== undefined) throw invalidField('total_amount', 'stands for amount: give one of them');
  const field = body.type === 'group' ? 'total_amount' : 'amount';
  if (body.type === 'group' && body.count === undefined) throw invalidField('count', 'is required for a group gift');
  return {
    giver: principalOf(request, 'session').userId,
    type: body.type,
    recipient: body.recipient === undefined ? undefined : readUserId(body.recipient, 'recipient'),
    roomId: readRoomId(body.room_id, 'room_id'),
    amountMinor: readAmount(amount ?? total, currency, amount === undefined && total === undefined ? field : amount === undefined ? 'total_amount' : 'amount'),
    currency,
    count: body.count ?? 1,
    distribution: body.distribution ?? 'random',
    message: body.message,
    lifetimeMs: body.expires_in_seconds === undefined ? undefined : body.expires_in_seconds * 1000,
  };
}

function createRoute({ gifts, idempotency, clock }: GiftRoutesDependencies) {
  return async (request: ApiRequest): Promise<ApiAnswer> => {
    const { userId, clientId } = principalOf(request, 'session');
    const { idempotency_key: key, auth_proof: authProof, ...body } = request.body as CreateBody & { amount?: unknown; total_amount?: unknown };
    const wanted = requestOf(request);
    return idempotency.run(
      { userId, clientId, operation: 'gift', key, body: { ...body, amount: wanted.amountMinor, total_amount: undefined } },
      {
        prepare: () => gifts.prepare(wanted, key, authProof),
        work: async (tx, preparation) => {
          const begun = await gifts.create(tx, wanted, preparation);
          const { gift, moved } = begun;
          const view = giftView({ gift, opened: [] });
          if (moved?.settled === false) return { ...answer(view), later: async () => answer(giftView({ gift: await gifts.finish(begun), opened: [] })) };
          if (gift.status !== 'pending_authorization') return answer(view);
          const { methods } = preparation;
          return answer({ ...view, available_methods: methods, ...errorBody(mfaRequired(methods, { gift_id: gift.id, status: gift.status }), clock.now(), request.requestId) }, 402);
        },
      },
    );
  };
}

export function giftRoutes(deps: GiftRoutesDependencies): Routes {
  const { gifts } = deps;
  const who = (request: ApiRequest) => principalOf(request, 'session').userId;
  const idIn = (request: ApiRequest): string => request.path.gift_id as string;
  return {
    createGift: createRoute(deps),
    confirmGift: async (request) => answer(giftView(await gifts.confirm(who(request), idIn(request), (request.body as { auth_proof?: Record<string, unknown> }).auth_proof))),
    openGift: async (request) => {
      const { gift, opened, share } = await gifts.open(who(request), idIn(request));
      return answer({
        gift_id: gift.id,
        amount_received: amountNumber(share.amountMinor, gift.currency),
        currency: gift.currency,
        ...(gift.message === undefined ? {} : { message: gift.message }),
        sender: { user_id: gift.giver },
        opened_at: isoTime(share.openedAt),
        stats: { total_opened: gift.opened, total_remaining: gift.count - gift.opened, your_rank: opened.findIndex(({ n }) => n === share.n) + 1 },
      });
    },
    getGift: async (request) => {
      const found = await gifts.get(who(request), idIn(request));
      const eventId = await gifts.findEventId(who(request), found.gift);
      return answer({ ...giftView(found), ...(eventId === undefined ? {} : { event_id: eventId }) });
    },
  };
}
