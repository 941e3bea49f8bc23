import { hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Digits of the longest PIN (decision D7). */
export const maxPinLength = 12;
const longestBlock = 3;

/** The digits one step on, round from 9 to 0. */
const run = (first: number, length: number, step: 1 | 9): string => Array.from({ length }, (_, index) => (first + index * step) % 10).join('');

/** 123456, 890123, 654321. */
export const isRun = (pin: string): boolean => ([1, 9] as const).some((step) => pin === run(Number(pin[0]), pin.length, step));

/** One to three digits over and over, whole or cut off at the end: 000000, 121212, 123123, 1231231. */
export const isRepeat = (pin: string): boolean => Array.from({ length: longestBlock }, (_, index) => index + 1).some((block) => pin.length >= 2 * block && pin === pin.slice(0, block).repeat(maxPinLength).slice(0, pin.length));

/** What is wrong with a PIN, in words; undefined when it will do. */
export function weaknessOf(pin: string, minLength: number): string | undefined {
  if (!/^\d+$/.test(pin) || pin.length < minLength || pin.length > maxPinLength) return `must have ${minLength} to ${maxPinLength} digits`;
  if (isRun(pin)) return 'must not be a run of digits such as 123456';
  if (isRepeat(pin)) return 'must not repeat itself as 111111 or 121212 do';
  return undefined;
}

/** Every PIN that is too short, a run or a repeat: few enough to be told from their digests alone. */
export function* weakPins(minLength: number): Generator<string> {
  for (let length = 1; length < minLength; length += 1) {
    for (let number = 0; number < 10 ** length; number += 1) yield String(number).padStart(length, '0');
  }
  for (let length = minLength; length <= maxPinLength; length += 1) {
    for (let first = 0; first < 10; first += 1) {
      yield run(first, length, 1);
      yield run(first, length, 9);
    }
    for (let block = 1; block <= longestBlock && 2 * block <= length; block += 1) {
      for (let number = 0; number < 10 ** block; number += 1) yield String(number).padStart(block, '0').repeat(maxPinLength).slice(0, length);
    }
  }
}

/** The first six bytes of a digest: enough to tell a few hundred thousand apart. */
const prefixOf = (digest: Buffer): number => digest.readUIntBE(0, 6);
const pinsPerTurn = 2000;

/** Recognizes weak PINs by their SHA-256, which is all that some clients send. The table is made at the first question, without holding up the others. */
export function createWeakDigests(minLength: number): (digestHex: string) => Promise<boolean> {
  const make = async (): Promise<ReadonlySet<number>> => {
    const prefixes = new Set<number>();
    let count = 0;
    for (const pin of weakPins(minLength)) {
      prefixes.add(prefixOf(hash('sha256', pin, 'buffer')));
      count += 1;
      if (count % pinsPerTurn === 0) await nextTurn();
    }
    return prefixes;
  };
  let made: Promise<ReadonlySet<number>> | undefined;
  return async (digestHex) => (await (made ??= make())).has(prefixOf(Buffer.from(digestHex, 'hex')));
}
