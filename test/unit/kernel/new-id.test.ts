import { expect } from 'chai';
import fc from 'fast-check';
import { newId } from '../../../src/kernel/ids.ts';

describe('a public id', () => {
  const lastYear = Date.UTC(3084, 0, 1);

  it('sorts by the time at which it was made, as a database sorts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: lastYear - 1 }), fc.integer({ min: 1, max: 1_000_000 }), (at, later) => {
        expect(Buffer.compare(Buffer.from(newId('pay', at)), Buffer.from(newId('pay', Math.min(at + later, lastYear))))).to.equal(-1);
      }),
    );
  });

  it('has 80 random bits behind its time', () => {
    const ids = Array.from({ length: 2000 }, () => newId('txn', 0));
    expect(new Set(ids).size).to.equal(ids.length);
    for (const id of ids) expect(id).to.match(/^txn_2{9}[a-z2-7]{16}$/);
    // Each of the 32 characters stands in each place.
    for (let place = 0; place < 16; place += 1) expect(new Set(ids.map((id) => id.at(-1 - place))).size).to.equal(32);
  });
});
