import type { Database, Queryable, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId, type MiniAppId, type RoomId, type UserId } from '../kernel/ids.ts';
import { amountText, eventAmounts, readAmount, readCurrency, type Money } from '../kernel/money.ts';
import type { RoomEvents, Rooms } from '../matrix/port.ts';
import { countCard, forgetWindows } from './repo.ts';

/** As a mini-app sends it, checked for form (specification section 8.1.3). */
export interface Card {
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly image?: string;
  readonly price?: { readonly amount: number | string; readonly currency: string };
  readonly actions?: readonly { readonly type: 'button'; readonly label: string; readonly action: string; readonly params?: { readonly miniapp_id?: string; readonly path?: string } }[];
}

export interface CardsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly events: RoomEvents;
  readonly rooms: Rooms;
  readonly isKnownEncrypted: (db: Queryable, roomId: RoomId) => Promise<boolean>;
  readonly perMinute: number;
}

/** Who sends: an app, for a user, from the room that it was launched in. */
export interface CardSender {
  readonly miniappId: MiniAppId;
  readonly userId: UserId;
  readonly launchedIn: unknown;
}

export interface Cards {
  /**
   * Queues the card as a message of the app's own user. Returns its id.
   * @throws AppError ROOM_NOT_ALLOWED (any room but the one of the launch, decision D22), INVALID_REQUEST, INVALID_AMOUNT,
   *   RATE_LIMIT_EXCEEDED, SERVICE_UNAVAILABLE
   */
  send(sender: CardSender, roomId: RoomId, card: Card): Promise<string>;
  /** A chore. */
  tidyUp(tx: Transaction, now: number): Promise<void>;
}

const minuteMs = 60_000;

const priceOf = ({ price }: Card): Money | undefined => {
  if (price === undefined) return undefined;
  const currency = readCurrency(price.currency, 'card.price.currency');
  return { amountMinor: readAmount(String(price.amount), currency, 'card.price.amount'), currency };
};

/** A button opens the app that sent it, and no other: a card can't borrow another app's name. */
function actionsOf({ actions = [] }: Card, miniappId: MiniAppId): object[] {
  return actions.map(({ type, label, action, params = {} }, n) => {
    if (params.miniapp_id !== undefined && params.miniapp_id !== miniappId) throw invalidField(`card.actions.${n}.params.miniapp_id`, 'must be the mini-app itself');
    return { type, label, action, params: { miniapp_id: miniappId, ...(params.path === undefined ? {} : { path: params.path }) } };
  });
}

/** In an encrypted room without its price (decision D18). */
function contentOf(card: Card, { miniappId, userId }: CardSender, cardId: string, hidden: boolean): Record<string, unknown> {
  const price = priceOf(card);
  const shown = hidden ? undefined : price;
  const words = [card.title, card.description, shown === undefined ? undefined : `${amountText(shown.amountMinor, shown.currency)} ${shown.currency}`];
  const actions = actionsOf(card, miniappId);
  return {
    msgtype: 'm.tween.card',
    body: words.filter((text) => text !== undefined && text !== '').join('\n'),
    miniapp_id: miniappId,
    card_id: cardId,
    sender: userId,
    card: {
      type: card.type,
      title: card.title,
      ...(card.description === undefined ? {} : { description: card.description }),
      ...(card.image === undefined ? {} : { image: card.image }),
      ...(shown === undefined ? {} : { price: eventAmounts(shown) }),
      ...(actions.length === 0 ? {} : { actions }),
    },
  };
}

export function createCards({ database, clock, events, rooms, isKnownEncrypted, perMinute }: CardsDependencies): Cards {
  return {
    async send(sender, roomId, card) {
      if (sender.launchedIn !== roomId) throw new AppError('ROOM_NOT_ALLOWED', 'This room cannot be used here');
      const cardId = newId('card');
      const content = contentOf(card, sender, cardId, await isKnownEncrypted(database, roomId));
      await rooms.requireJoined(roomId, sender.userId);
      const now = clock.now();
      await database.inTransaction(async (tx) => {
        const count = await countCard(tx, sender.miniappId, roomId, Math.floor(now / minuteMs));
        if (count > perMinute) throw new AppError('RATE_LIMIT_EXCEEDED', `At most ${perMinute} cards a minute in one room`, { retryAfterMs: minuteMs - (now % minuteMs) });
        // Dropped where the bot may not bring the app's user in: parked, it would wait for an administrator who can do nothing.
        events.emit(tx, { place: { room: roomId }, speaker: { miniapp: sender.miniappId }, type: 'm.room.message', content, optional: true });
      });
      return cardId;
    },
    tidyUp: (tx, now) => forgetWindows(tx, Math.floor(now / minuteMs) - 1),
  };
}
