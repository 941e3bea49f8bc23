import type { Terms } from './types.ts';

/** How an amount may be written where it is signed: with the currency's decimals, and as the shortest JSON number (decision D6). Nothing else. */
export function amountSpellings(amountMinor: number | bigint, exponent: number): string[] {
  const digits = String(amountMinor).padStart(exponent + 1, '0');
  const whole = digits.slice(0, digits.length - exponent);
  const decimals = digits.slice(digits.length - exponent);
  const kept = decimals.replace(/0+$/, '');
  const fixed = decimals === '' ? whole : `${whole}.${decimals}`;
  const shortest = kept === '' ? whole : `${whole}.${kept}`;
  return fixed === shortest ? [fixed] : [fixed, shortest];
}

/** The strings that a device key may have signed (decision D6): `{id}:{amount}:{currency}:{timestamp}`, or `{action}:{subject}:{timestamp}`. */
export const signedTexts = (terms: Terms, timestamp: string): string[] =>
  terms.kind === 'action'
    ? [`${terms.action}:${terms.subject}:${timestamp}`]
    : amountSpellings(terms.amountMinor, terms.exponent).map((amount) => `${terms.id}:${amount}:${terms.currency}:${timestamp}`);

/** What a WebAuthn challenge is bound to, without its random part: `{id}:{amount}:{currency}:{recipient}`, or `{action}:{subject}`. */
export const boundTexts = (terms: Terms): string[] =>
  terms.kind === 'action'
    ? [`${terms.action}:${terms.subject}`]
    : amountSpellings(terms.amountMinor, terms.exponent).map((amount) => `${terms.id}:${amount}:${terms.currency}:${terms.recipient}`);

/** Signatures over money count for five minutes around their time, all others for half a minute (decision D6). */
export const paymentWindowMs = 5 * 60_000;
export const attestationWindowMs = 30_000;
export const windowOf = (terms: Terms): number => (terms.kind === 'payment' ? paymentWindowMs : attestationWindowMs);

/** What a signature or an assertion must say. */
export interface Expected {
  signedTexts(timestamp: string): readonly string[];
  readonly windowMs: number;
  readonly boundTexts: readonly string[];
}

export const expectedFor = (terms: Terms): Expected => ({ signedTexts: (timestamp) => signedTexts(terms, timestamp), windowMs: windowOf(terms), boundTexts: boundTexts(terms) });
