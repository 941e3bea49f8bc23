import { invalidField } from '../kernel/errors.ts';
import type { AccountType } from './types.ts';

/** What the provider needs to know of an account. Never logged, never shown whole. */
export interface AccountDetails {
  /** The number, without spaces: of the account, the card, the phone, or the name in the other wallet. */
  readonly number: string;
  readonly holderName: string;
  /** What else its kind has: bank code, country, expiry, operator. */
  readonly more: Readonly<Record<string, string>>;
}

interface Form {
  readonly number: string;
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** Undefined when it is right; else what is wrong with it. */
  readonly check: (number: string) => string | undefined;
}

/** ISO/IEC 7812-1, annex B. */
function passesLuhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, n) => {
    const value = Number(digit) * (n % 2 === 1 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

/** ISO 13616: the check digits of an IBAN. */
function isIban(text: string): boolean {
  const moved = `${text.slice(4)}${text.slice(0, 4)}`;
  const digits = [...moved].map((letter) => parseInt(letter, 36)).join('');
  return BigInt(digits) % 97n === 1n;
}

function checkAccountNumber(text: string): string | undefined {
  if (!/^[A-Z0-9]{4,34}$/.test(text)) return 'must be 4 to 34 letters and digits';
  return /^[A-Z]{2}\d{2}/.test(text) && !isIban(text) ? 'is no IBAN: its check digits are wrong' : undefined;
}

const forms: Readonly<Record<AccountType, Form>> = {
  bank_account: { number: 'account_number', required: ['holder_name'], optional: ['bank_code', 'country'], check: checkAccountNumber },
  card: { number: 'card_number', required: ['holder_name', 'expiry_month', 'expiry_year'], optional: ['country'], check: (text) => (/^\d{12,19}$/.test(text) && passesLuhn(text) ? undefined : 'is no card number') },
  digital_wallet: { number: 'wallet_identifier', required: ['holder_name', 'wallet_provider'], optional: ['country'], check: (text) => (/^[^\s]{4,128}$/.test(text) ? undefined : 'must be 4 to 128 characters') },
  mobile_money: { number: 'phone_number', required: ['holder_name', 'operator'], optional: ['country'], check: (text) => (/^\+[1-9]\d{6,14}$/.test(text) ? undefined : 'must be a phone number such as +14155550100') },
};

const where = 'account_details';

/** @throws AppError INVALID_REQUEST naming the field; no value is repeated in the message */
export function readAccountDetails(type: AccountType, given: Readonly<Record<string, unknown>>): AccountDetails {
  const { number: numberField, required, optional, check } = forms[type];
  const known = [numberField, ...required, ...optional];
  const foreign = Object.keys(given).find((name) => !known.includes(name));
  if (foreign !== undefined) throw invalidField(`${where}.${foreign}`, `is not for a ${type}`);
  const missing = [numberField, ...required].find((name) => given[name] === undefined);
  if (missing !== undefined) throw invalidField(`${where}.${missing}`, `is required for a ${type}`);
  const raw = String(given[numberField]);
  const number = type === 'digital_wallet' ? raw.trim() : raw.replace(/[\s-]/g, '').toUpperCase();
  const problem = check(number);
  if (problem !== undefined) throw invalidField(`${where}.${numberField}`, problem);
  const { holder_name: holderName, [numberField]: _number, ...more } = given;
  return { number, holderName: String(holderName), more: Object.fromEntries(Object.entries(more).map(([name, value]) => [name, String(value)])) };
}

export const lastFourOf = ({ number }: AccountDetails): string => number.slice(-4);
