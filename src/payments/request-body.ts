import type { ApiRequest } from '../http/index.ts';
import { textsOfItems } from '../kernel/json-text.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import { readAmount, readCurrency, type Currency } from '../kernel/money.ts';
import { readRoomId } from '../wallet/index.ts';
import type { Item, PaymentTermsOf } from './types.ts';

export interface RequestBody {
  readonly currency: string;
  readonly description?: string;
  readonly merchant_order_id?: string;
  readonly items?: readonly { readonly item_id?: string; readonly name: string; readonly quantity: number }[];
  readonly callback_url?: string;
  readonly room_id?: string;
  readonly idempotency_key: string;
}

/** As the caller wrote it: a number's digits, or what a string holds. */
function textOf(written: string | undefined): string | undefined {
  return written?.startsWith('"') === true ? (JSON.parse(written) as string) : written;
}

/** The lines of an order; their prices are read from the source text, as every amount is (decision D5). */
function readItems(request: ApiRequest, items: RequestBody['items'], currency: Currency): Item[] {
  if (items === undefined || items.length === 0) return [];
  const prices = textsOfItems(request.bodyText() ?? '', 'items', 'unit_price');
  return items.map(({ item_id: itemId, name, quantity }, at) => ({ itemId, name, quantity, unitPriceMinor: readAmount(textOf(prices[at]?.text), currency, `items.${at}.unit_price`) }));
}

/** An app may name the one room that it was launched in (decision D22). @throws AppError ROOM_NOT_ALLOWED */
export function requireLaunchRoom(roomId: string | undefined, context: Readonly<Record<string, unknown>> | undefined): void {
  if (roomId !== undefined && context?.room_id !== roomId) throw new AppError('ROOM_NOT_ALLOWED', 'This room cannot be used here');
}

/** Body of `POST /api/v1/payments/request` (section 7.3.1). @throws AppError INVALID_REQUEST, INVALID_AMOUNT naming the field */
export function readTerms(request: ApiRequest, payer: UserId): PaymentTermsOf {
  const body = request.body as RequestBody;
  const currency = readCurrency(body.currency, 'currency');
  return {
    payer,
    amountMinor: readAmount(request.amountText('amount'), currency, 'amount'),
    currency,
    description: body.description,
    merchantOrderId: body.merchant_order_id,
    items: readItems(request, body.items, currency),
    callbackUrl: body.callback_url,
    roomId: readRoomId(body.room_id, 'room_id'),
  };
}
