import { createHmac } from 'node:crypto';
import type { Database } from '../../database/index.ts';
import { answer, type ApiAnswer, type ApiRequest, type Routes } from '../../http/index.ts';
import { Park } from '../../jobs/index.ts';
import { AppError, errorText, invalidField } from '../../kernel/errors.ts';
import { asRoomId, asUserId, equalSecrets, type EventId } from '../../kernel/ids.ts';
import { withoutMember } from '../../kernel/json-text.ts';
import type { Log } from '../../kernel/log.ts';
import { readAmount, readCurrency } from '../../kernel/money.ts';
import type { Place, RoomEvents } from '../../matrix/port.ts';
import { findInstruction, findInstructionByTxn, type Instruction } from './instruction-repo.ts';
import type { Instructions } from './instructions.ts';
import type { WireMovement, WireTerms } from './wire.ts';

export type CallbackOutcome = 'taken' | 'repeated' | 'ignored' | 'bad_signature' | 'mismatch' | 'unknown';

export interface CallbackDependencies {
  readonly database: Database;
  readonly log: Log;
  /** Undefined with the embedded ledger. */
  readonly instructions: Instructions | undefined;
  /** Without one there is no such endpoint (decision D14). */
  readonly secret: string | undefined;
  readonly events: Pick<RoomEvents, 'findEventId'>;
  readonly onCallback: (outcome: CallbackOutcome) => void;
}

/** What a wallet service tells by itself (specification section 4.11.7), as far as we look at it. */
interface CallbackBody {
  readonly event?: unknown;
  readonly transaction_id?: unknown;
  /** Of the movement: how one is named that has no transaction id here yet. */
  readonly key?: unknown;
  readonly currency?: unknown;
  readonly sender?: unknown;
  readonly recipient?: unknown;
  readonly signature?: unknown;
}

interface Callback {
  readonly event: string;
  readonly txnId: string;
  readonly key: string | undefined;
  readonly amountMinor: number;
  readonly currency: string;
  readonly sender: string | undefined;
  readonly recipient: string | undefined;
}

const maxText = 255;

function textIn(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '' || value.length > maxText) throw invalidField(field, `is required: text of up to ${maxText} characters`);
  return value;
}

const userIn = (party: unknown): string | undefined => {
  const userId = (party as { user_id?: unknown } | null | undefined)?.user_id;
  return typeof userId === 'string' ? userId : undefined;
};

/**
 * Whether the HMAC-SHA256 is right: of the body as it was sent, from the `Authorization` header; else, from the field `signature`, of
 * the body without that member (`withoutMember`). Hexadecimal, base64 or base64url. In constant time.
 */
export function isSigned(body: string, authorization: string | undefined, secret: string): boolean {
  const { signature } = JSON.parse(body) as CallbackBody;
  const [given, signed] = authorization === undefined ? [signature, withoutMember(body, 'signature')] : [/^(?:[\w-]+ +)?(\S+) *$/.exec(authorization)?.[1], body];
  if (typeof given !== 'string' || signed === undefined) return false;
  const expected = createHmac('sha256', secret).update(signed).digest();
  const bytes = /^[0-9a-f]{64}$/i.test(given) ? Buffer.from(given, 'hex') : Buffer.from(given, 'base64');
  return equalSecrets(bytes.toString('hex'), expected.toString('hex'));
}

function read(request: ApiRequest): Callback {
  const body = request.body as CallbackBody;
  const currency = readCurrency(body.currency, 'currency');
  return {
    event: textIn(body.event, 'event'),
    txnId: textIn(body.transaction_id, 'transaction_id'),
    key: body.key === undefined ? undefined : textIn(body.key, 'key'),
    amountMinor: readAmount(request.amountText('amount'), currency, 'amount'),
    currency,
    sender: userIn(body.sender),
    recipient: userIn(body.recipient),
  };
}

const userOf = (party: WireTerms['from']): string | undefined => ('user_id' in party ? party.user_id : undefined);
const differs = (told: string | undefined, stored: string | undefined): boolean => told !== undefined && told !== stored;

/** Whether it speaks of these terms; parties that it does not name don't matter. */
const isAbout = (terms: WireTerms, told: Callback): boolean =>
  terms.amount_minor === told.amountMinor && terms.currency === told.currency && !differs(told.sender, userOf(terms.from)) && !differs(told.recipient, userOf(terms.to));

/** What the name of the event says of the money; undefined: nothing yet. */
function outcomeIn({ event, key = '', txnId }: Callback): WireMovement | undefined {
  if (/\.(completed|captured|released|settled)$/.test(event)) return { key, status: 'done', transaction_id: txnId };
  if (/\.(failed|declined|refused)$/.test(event)) return { key, status: 'refused', refusal: { code: 'PAYMENT_FAILED', message: 'The wallet declined the payment' } };
  return undefined;
}

const noSuchEndpoint = (): AppError => new AppError('NOT_FOUND', 'No such endpoint');
const notOurs = (): AppError => new AppError('PAYMENT_NOT_FOUND', 'No movement that this server ordered has this transaction id or key; payments that a wallet makes by itself are not announced');
const otherTerms = (): AppError => new AppError('DUPLICATE_TRANSACTION', 'This movement is known here on other terms, or with another outcome');

const placeOf = ({ room_id: roomId, from, to }: WireTerms): Place => (roomId === undefined ? { noticesOf: asUserId(userOf(from) ?? userOf(to) ?? '') } : { room: asRoomId(roomId) });

class CallbackDesk {
  readonly #deps: CallbackDependencies & { readonly instructions: Instructions };
  constructor(deps: CallbackDependencies & { readonly instructions: Instructions }) {
    this.#deps = deps;
  }

  async take(told: Callback): Promise<ApiAnswer> {
    const { database, instructions } = this.#deps;
    // What ends a hold is on the terms of the hold, and has its name.
    const found = told.key === undefined ? await findInstructionByTxn(database, told.txnId) : await findInstruction(database, told.key);
    if (found === undefined) throw this.#refused('unknown', told, notOurs());
    const { terms: ordered, txnId } = found.holdId === undefined ? found : (await findInstruction(database, found.holdId))!;
    const terms = ordered as WireTerms;
    if (!isAbout(terms, told) || (txnId !== undefined && txnId !== told.txnId)) throw this.#refused('mismatch', told, otherTerms());
    const outcome = outcomeIn(told);
    if (outcome === undefined) return this.#answered('ignored', found, terms, told);
    const taken = await database.inTransaction((tx) => instructions.take(tx, found.id, outcome)).catch((error: unknown) => {
      // What was secured can't fail: people have to look, and the job stays.
      if (error instanceof Park) throw this.#refused('mismatch', told, otherTerms());
      throw error;
    });
    const now = (await findInstruction(database, found.id))!;
    if (taken === 'known' && now.state !== outcome.status) throw this.#refused('mismatch', told, otherTerms());
    return this.#answered(taken === 'known' ? 'repeated' : 'taken', now, terms, told);
  }

  /** Specification section 4.11.8. */
  async #answered(outcome: CallbackOutcome, { ref }: Instruction, terms: WireTerms, { txnId }: Callback): Promise<ApiAnswer> {
    const { database, events, onCallback } = this.#deps;
    onCallback(outcome);
    const eventId: EventId | undefined = await events.findEventId(database, placeOf(terms), ref);
    return answer({ ...(eventId === undefined ? {} : { event_id: eventId }), idempotent: outcome === 'repeated', transaction_id: txnId });
  }

  #refused(outcome: CallbackOutcome, { event, txnId, key }: Callback, error: AppError): AppError {
    this.#deps.onCallback(outcome);
    this.#deps.log.warn({ event, transaction_id: txnId, key, outcome, error: errorText(error) }, 'a callback of the wallet service was refused');
    return error;
  }
}

/** `POST /api/v1/wallet/callback` (sections 4.11.7 and 4.11.8, decision D14). */
export function callbackRoutes(deps: CallbackDependencies): Routes {
  const { instructions, secret, log, onCallback } = deps;
  return {
    walletCallback: async (request) => {
      if (secret === undefined || instructions === undefined) throw noSuchEndpoint();
      const body = request.bodyText();
      if (body === undefined || !isSigned(body, request.headers.authorization, secret)) {
        onCallback('bad_signature');
        log.warn({ request_id: request.requestId }, 'a callback with a wrong signature was refused');
        throw new AppError('INVALID_SIGNATURE', 'The signature is not that of the wallet service');
      }
      return new CallbackDesk({ ...deps, instructions }).take(read(request));
    },
  };
}
