import { expect } from 'chai';
import fc from 'fast-check';
import { split, type Distribution } from '../../../src/gifts/index.ts';
import { randomBelow } from '../../../src/kernel/ids.ts';

const distributions: Distribution[] = ['equal', 'even_chance', 'specification'];
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
/** A total, and a number of shares that it is enough for. */
const gifts = fc.integer({ min: 1, max: 500 }).chain((count) => fc.tuple(fc.integer({ min: count, max: 10 ** 12 }), fc.constant(count)));
const tight = fc.integer({ min: 1, max: 60 }).chain((count) => fc.tuple(fc.integer({ min: count, max: count * 3 }), fc.constant(count)));
/** Every draw at one end of its range, or anywhere. */
const randoms = fc.oneof(fc.constant((): number => 0), fc.constant((n: number): number => n - 1), fc.constant(randomBelow));

describe('the shares of a gift', () => {
  for (const distribution of distributions) {
    it(`sum to the total, with at least one minor unit each (${distribution})`, () => {
      fc.assert(fc.property(fc.oneof(gifts, tight), randoms, ([total, count], random) => {
        const shares = split(distribution, total, count, random);
        return shares.length === count && sum(shares) === total && shares.every((share) => Number.isSafeInteger(share) && share >= 1);
      }));
    });
  }

  it('are equal but for one minor unit, when they are to be equal', () => {
    fc.assert(fc.property(gifts, ([total, count]) => {
      const shares = split('equal', total, count, () => 0);
      return Math.max(...shares) - Math.min(...shares) <= 1;
    }));
    expect(split('equal', 1000, 3, () => 0)).to.deep.equal([334, 333, 333]);
  });

  it('are 10 % to 190 % of what remains per head, but for the last', () => {
    fc.assert(fc.property(gifts, ([total, count]) => {
      const shares = split('even_chance', total, count, randomBelow);
      let rest = total;
      return shares.slice(0, -1).every((share, n) => {
        const average = rest / (count - n);
        rest -= share;
        return share >= Math.min(Math.max(1, average * 0.1), average) && (share <= average * 1.9 || share === 1);
      });
    }));
  });

  it('are 10 % to 30 % of the average but for one, by the algorithm of the specification', () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 50 }), (count) => {
      const shares = split('specification', 100_000, count, randomBelow).sort((a, b) => a - b);
      const average = 100_000 / count;
      return shares.slice(0, -1).every((share) => share >= average * 0.1 && share <= average * 0.3) && shares.at(-1)! >= average;
    }));
  });

  it('give nobody an advantage by opening early or late, unless the specification has it so', () => {
    const rounds = 4000;
    const totals = Array.from({ length: 5 }, () => 0);
    for (let n = 0; n < rounds; n += 1) split('even_chance', 10_000, 5, randomBelow).forEach((share, place) => (totals[place]! += share));
    for (const total of totals) expect(total / rounds).to.be.closeTo(2000, 150);
    const largest = Array.from({ length: 200 }, () => Math.max(...split('specification', 10_000, 5, randomBelow)));
    expect(sum(largest) / 200).to.be.greaterThan(7500);
  });

  it('cannot be more than there are minor units', () => {
    for (const distribution of distributions) {
      expect(() => split(distribution, 4, 5, () => 0)).to.throw(RangeError);
      expect(split(distribution, 5, 5, randomBelow)).to.deep.equal([1, 1, 1, 1, 1]);
    }
  });
});

describe('randomness for money', () => {
  it('is within its range and reaches all of it', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (n) => {
      const value = randomBelow(n);
      return Number.isSafeInteger(value) && value >= 0 && value < n;
    }));
    expect(new Set(Array.from({ length: 500 }, () => randomBelow(6)))).to.deep.equal(new Set([0, 1, 2, 3, 4, 5]));
  });
});
