import { expect } from 'chai';
import fc from 'fast-check';
import { sha256Hex } from '../../../src/kernel/ids.ts';
import { createWeakDigests, maxPinLength, weaknessOf } from '../../../src/mfa/weak-pins.ts';

describe('weak PINs', () => {
  const isWeakDigest = createWeakDigests(6);

  it('are the same whether they are given as digits or as their digest', async () => {
    const digits = (length: number) => fc.array(fc.integer({ min: 0, max: 9 }), { minLength: length, maxLength: length }).map((list) => list.join(''));
    const block = fc.tuple(fc.integer({ min: 1, max: 3 }).chain(digits), fc.integer({ min: 1, max: maxPinLength })).map(([text, length]) => text.repeat(maxPinLength).slice(0, length));
    const run = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.constantFrom(1, 9), fc.integer({ min: 1, max: maxPinLength })).map(([first, step, length]) => Array.from({ length }, (_, index) => (first + index * step) % 10).join(''));
    const any = fc.integer({ min: 1, max: maxPinLength }).chain(digits);
    await fc.assert(
      fc.asyncProperty(fc.oneof(block, run, any), async (pin) => {
        expect(await isWeakDigest(sha256Hex(pin)), pin).to.equal(weaknessOf(pin, 6) !== undefined);
      }),
      { numRuns: 2000 },
    );
  });

  it('are few among those of six digits', () => {
    const weak = Array.from({ length: 1_000_000 }, (_, number) => String(number).padStart(6, '0')).filter((pin) => weaknessOf(pin, 6) !== undefined);
    expect(weak).to.have.length(1000 + 100 - 10 + 20);
  });
});
