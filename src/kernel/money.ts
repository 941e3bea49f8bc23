import { currencyExponents } from './currencies.ts';
import { AppError, invalidField } from './errors.ts';
import { jsonNumber, type JsonNumber } from './json.ts';

declare const brand: unique symbol;
/** An ISO 4217 code that has a minor unit. */
export type Currency = string & { readonly [brand]: 'Currency' };

/** Money is an integer of the currency's minor unit, from 1 to 2^53 - 1, everywhere but on the wire (decision D5). */
export interface Money {
  readonly amountMinor: number;
  readonly currency: Currency;
}

/** Longer than any amount can be; an exponent is up to three digits. */
const maxTextLength = 40;
const numeral = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/;

export const isCurrency = (text: unknown): text is Currency => typeof text === 'string' && currencyExponents.has(text);

/** Throws a TypeError: for codes that were checked before, such as the database's. */
export function asCurrency(text: string): Currency {
  if (!isCurrency(text)) throw new TypeError(`${JSON.stringify(text)} is not an ISO 4217 currency`);
  return text;
}

/** @throws AppError INVALID_REQUEST naming the field */
export function readCurrency(text: unknown, field: string): Currency {
  if (!isCurrency(text)) throw invalidField(field, 'must be an ISO 4217 currency code with a minor unit, such as USD');
  return text;
}

/** Decimals of the minor unit. */
export const exponentOf = (currency: Currency): number => currencyExponents.get(currency)!;

const invalidAmount = (field: string, problem: string): AppError => new AppError('INVALID_AMOUNT', `${field}: ${problem}`, { details: [{ field, problem }] });

/**
 * Reads an amount from its source text, a JSON number or a string of digits, without ever making a double of it (decision D5).
 * Zeros at the end of the decimals say nothing and are allowed. Returns minor units, 1 to 2^53 - 1.
 * @throws AppError INVALID_AMOUNT naming the field
 */
export function readAmount(text: unknown, currency: Currency, field: string): number {
  const [, sign, whole = '', decimals = '', exponent = '0'] = typeof text === 'string' && text.length <= maxTextLength ? (numeral.exec(text) ?? []) : [];
  if (whole === '') throw invalidAmount(field, 'must be a positive decimal number');
  if (sign === '-') throw invalidAmount(field, 'must not be negative');
  const digits = `${whole}${decimals}`.replace(/^0+/, '');
  if (digits === '') throw invalidAmount(field, 'must be more than zero');
  const significant = digits.replace(/0+$/, '');
  // Of the last digit that is not zero, counted in minor units.
  const place = Number(exponent) - decimals.length + (digits.length - significant.length) + exponentOf(currency);
  if (place < 0) throw invalidAmount(field, `has more than the ${exponentOf(currency)} decimals of ${currency}`);
  const isTooLong = significant.length + place > String(Number.MAX_SAFE_INTEGER).length;
  const minor = isTooLong ? Number.POSITIVE_INFINITY : Number(`${significant}${'0'.repeat(place)}`);
  if (!Number.isSafeInteger(minor)) throw invalidAmount(field, 'is too large');
  return minor;
}

/** With all decimals of the currency: `5000.00`, `5000`, `0.005`. Minor units may be zero or negative here, and sums of many amounts: balances are shown, too. */
export function amountText(amountMinor: number | bigint, currency: Currency): string {
  const exponent = exponentOf(currency);
  const digits = String(amountMinor < 0 ? -amountMinor : amountMinor).padStart(exponent + 1, '0');
  const sign = amountMinor < 0 ? '-' : '';
  return exponent === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

/** For answers over HTTP: a JSON number with all decimals of the currency. */
export const amountNumber = (amountMinor: number | bigint, currency: Currency): JsonNumber => jsonNumber(amountText(amountMinor, currency));

/** For Matrix events, which may hold no fractions (decision D19): a whole amount is an integer, any other a decimal string. */
export function eventAmount(amountMinor: number, currency: Currency): number | string {
  const unit = 10 ** exponentOf(currency);
  return amountMinor % unit === 0 ? amountMinor / unit : amountText(amountMinor, currency);
}

/** The fields of an amount in a Matrix event: the integer is the truth. */
export const eventAmounts = ({ amountMinor, currency }: Money): { amount: number | string; amount_minor: number; currency: string } => ({
  amount: eventAmount(amountMinor, currency),
  amount_minor: amountMinor,
  currency,
});

/** How the amount may be spelt in a string that a user signs (decision D6): all decimals, or the shortest JSON number. */
export function signedSpellings(amountMinor: number, currency: Currency): readonly string[] {
  const fixed = amountText(amountMinor, currency);
  const shortest = fixed.includes('.') ? fixed.replace(/\.?0+$/, '') : fixed;
  return fixed === shortest ? [fixed] : [fixed, shortest];
}
