import { expect } from 'chai';
import fc from 'fast-check';
import { isoTime } from '../../../src/kernel/clock.ts';

describe('times on the wire', () => {
  it('are what the platform makes of them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -8_640_000_000_000, max: 8_640_000_000_000 }), { maxLength: 20 }), (times) => {
        for (const time of times) for (const near of [time, time + 1, time + 999]) expect(isoTime(near)).to.equal(new Date(near).toISOString());
      }),
      { numRuns: 200 },
    );
    expect(isoTime(0.9)).to.equal(new Date(0).toISOString());
    expect(() => isoTime(NaN)).to.throw(RangeError);
  });
});
