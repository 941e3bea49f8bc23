import { isoTime } from '../../kernel/clock.ts';
import { AppError, errorStatus, type ErrorCode } from '../../kernel/errors.ts';
import { asMiniAppId, asRoomId, asUserId } from '../../kernel/ids.ts';
import { isJsonNumber, jsonNumber } from '../../kernel/json.ts';
import { asCurrency } from '../../kernel/money.ts';
import type { Limits } from '../levels.ts';
import { statusOf, type Movement, type MovementCode, type Party, type ReleaseOutcome, type UserStatus, type WalletRecord } from '../port.ts';

/** The bodies of `schema/wallet-service.yaml`, for both ends of the wire. */
export interface WireAccount {
  readonly user_id: string;
  readonly wallet_id: string;
  readonly wallet_status: 'active' | 'suspended';
  readonly user_status: UserStatus;
  readonly payment_enabled: boolean;
  readonly currency: string;
  readonly level: number;
  readonly created_at: string;
  readonly activated_at?: string;
}

export type WireParty = { readonly user_id: string } | { readonly miniapp_id: string } | { readonly escrow: string };

export interface WireTerms {
  readonly kind: 'transfer' | 'hold';
  readonly from: WireParty;
  readonly to: WireParty;
  readonly amount_minor: number;
  readonly currency: string;
  readonly code: MovementCode;
  readonly reference: string;
  readonly note?: string;
  readonly room_id?: string;
  readonly shown_from?: string;
  readonly undoes?: string;
  readonly proof_id?: string;
  readonly proven?: { readonly id: string; readonly payee: string };
}

export interface WireEnding {
  readonly kind: 'capture' | 'release';
  readonly hold: string;
  readonly outcome?: ReleaseOutcome;
}

export type WireInstruction = WireTerms | WireEnding;

export interface WireRefusal {
  readonly code: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, string>>;
}

export interface WireMovement {
  readonly key: string;
  readonly status: 'pending' | 'done' | 'refused';
  readonly transaction_id?: string;
  readonly refusal?: WireRefusal;
  readonly accounts?: readonly WireAccount[];
}

export interface WireLimits {
  readonly transaction_minor: number;
  readonly daily_minor: number;
  readonly monthly_minor: number;
}

export interface WireUsage {
  readonly daily_minor: number;
  readonly monthly_minor: number;
}

export interface WireVerification {
  readonly account: WireAccount;
  readonly limits: WireLimits;
  readonly usage: WireUsage;
}

export interface WireStanding extends WireVerification {
  readonly balances: readonly { readonly currency: string; readonly available_minor: number; readonly pending_minor: number; readonly held_minor: number }[];
}

export interface WireEligibility {
  readonly eligible: boolean;
  readonly reason?: WireRefusal;
  readonly account?: WireAccount;
  readonly limits: WireLimits;
  readonly current_usage: WireUsage;
}

export interface WirePolicy {
  readonly available_methods: readonly string[];
  readonly recommended_method?: string;
  readonly recipient_acceptance_required: boolean;
  readonly auth_upgrade_required: boolean;
}

export interface WireTransaction {
  readonly transaction_id: string;
  readonly type: string;
  readonly amount_minor: number;
  readonly currency: string;
  readonly from_user?: string;
  readonly to_user?: string;
  readonly status: string;
  readonly reference: string;
  readonly note?: string;
  readonly room_id?: string;
  readonly created_at: string;
}

export const accountOnWire = (wallet: WalletRecord): WireAccount => ({
  user_id: wallet.userId,
  wallet_id: wallet.walletId,
  wallet_status: wallet.frozenAt === undefined ? 'active' : 'suspended',
  user_status: statusOf(wallet),
  payment_enabled: statusOf(wallet) === 'active',
  currency: wallet.currency,
  level: wallet.level,
  created_at: isoTime(wallet.createdAt),
  ...(wallet.activatedAt === undefined ? {} : { activated_at: isoTime(wallet.activatedAt) }),
});

export const limitsOnWire = ({ transaction, daily, monthly }: Limits): WireLimits => ({ transaction_minor: transaction, daily_minor: daily, monthly_minor: monthly });
export const limitsFromWire = ({ transaction_minor, daily_minor, monthly_minor }: WireLimits): Limits => ({ transaction: transaction_minor, daily: daily_minor, monthly: monthly_minor });

/** Throws for the outside and play money: those never leave the embedded ledger. */
function partyOnWire(party: Party): WireParty {
  if ('user' in party) return { user_id: party.user };
  if ('miniapp' in party) return { miniapp_id: party.miniapp };
  if ('gift' in party) return { escrow: party.gift };
  throw new Error('a wallet service knows neither the outside nor play money');
}

function partyFromWire(party: WireParty): Party {
  if ('user_id' in party) return { user: asUserId(party.user_id) };
  return 'miniapp_id' in party ? { miniapp: asMiniAppId(party.miniapp_id) } : { gift: party.escrow };
}

export const termsOnWire = (kind: WireTerms['kind'], { from, to, amountMinor, currency, code, ref, note, roomId, shownFrom, undoes, proof }: Movement): WireTerms => ({
  kind,
  from: partyOnWire(from),
  to: partyOnWire(to),
  amount_minor: amountMinor,
  currency,
  code,
  reference: ref,
  ...(note === undefined ? {} : { note }),
  ...(roomId === undefined ? {} : { room_id: roomId }),
  ...(shownFrom === undefined ? {} : { shown_from: shownFrom }),
  ...(undoes === undefined ? {} : { undoes }),
  ...(proof === undefined ? {} : { proof_id: proof.proofId }),
  ...(proof?.proven === undefined || !('gift' in to) ? {} : { proven: { id: proof.proven.id, payee: proof.proven.recipient } }),
});

/** Throws a TypeError for ids that are none. */
export const movementFromWire = (terms: WireTerms): Movement => ({
  from: partyFromWire(terms.from),
  to: partyFromWire(terms.to),
  amountMinor: terms.amount_minor,
  currency: asCurrency(terms.currency),
  code: terms.code,
  ref: terms.reference,
  note: terms.note,
  roomId: terms.room_id === undefined ? undefined : asRoomId(terms.room_id),
  shownFrom: terms.shown_from === undefined ? undefined : asUserId(terms.shown_from),
  undoes: terms.undoes,
});

/** What a wallet says no with. Whatever else goes wrong says nothing about the money. */
const refusals: readonly ErrorCode[] = ['INSUFFICIENT_FUNDS', 'AMOUNT_EXCEEDS_LIMIT', 'DAILY_LIMIT_EXCEEDED', 'MONTHLY_LIMIT_EXCEEDED', 'P2P_SEND_NOT_ALLOWED', 'USER_SUSPENDED', 'PAYMENT_FAILED'];
export const isRefusal = (error: unknown): error is AppError => error instanceof AppError && refusals.includes(error.code);

const detailText = (value: unknown): string => (isJsonNumber(value) ? value.rawJSON : String(value));

export const refusalOnWire = ({ code, message, details }: AppError): WireRefusal => ({
  code,
  message,
  ...(details === undefined || Array.isArray(details) ? {} : { details: Object.fromEntries(Object.entries(details).map(([name, value]) => [name, detailText(value)])) }),
});

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorStatus, code);
const isDecimal = (text: string): boolean => /^-?\d{1,20}(\.\d{1,6})?$/.test(text);

/** As it was kept with what it ended. */
export function refusalOf({ code, message }: { readonly code: string; readonly message: string }, details: Readonly<Record<string, unknown>>): AppError {
  return new AppError(isErrorCode(code) ? code : 'PAYMENT_FAILED', message, { details });
}

/** A code that is none of ours is the service's own reason: the payment failed. */
export function refusalFromWire({ code, message, details = {} }: WireRefusal): AppError {
  const known = isErrorCode(code) && refusals.includes(code) ? code : 'PAYMENT_FAILED';
  return new AppError(known, message, { details: Object.fromEntries(Object.entries(details).map(([name, text]) => [name, isDecimal(text) ? jsonNumber(text) : text])) });
}
