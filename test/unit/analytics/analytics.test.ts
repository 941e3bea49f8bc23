import { expect } from 'chai';
import fc from 'fast-check';
import { shownOf, totalOf } from '../../../src/analytics/people.ts';
import { readPeriod } from '../../../src/analytics/period.ts';
import type { AppError } from '../../../src/kernel/errors.ts';

const counts = fc.array(fc.record({ people: fc.nat(30), amount: fc.nat(1000) }), { maxLength: 40 });
const fewest = fc.integer({ min: 1, max: 10 });

describe('numbers of people', () => {
  it('are shown where there are none, or enough', () => {
    expect([0, 1, 4, 5, 6].map((people) => shownOf(people, 5))).to.deep.equal([0, null, null, 5, 6]);
  });

  it('have totals that leave nobody over when what is shown is taken away', () => {
    fc.assert(
      fc.property(counts, fewest, (all, k) => {
        const total = totalOf(all, k);
        const visible = all.filter(({ people }) => shownOf(people, k) !== null);
        const shown = visible.reduce((sum, { people }) => sum + people, 0);
        const real = all.reduce((sum, { people }) => sum + people, 0);
        expect((total.people - shown) % k, 'whole groups').to.equal(0);
        expect(real - total.people, 'and no more is missing than that takes').to.be.within(0, k - 1);
        if (total.people === shown) expect(total.amount, 'nothing of the hidden').to.equal(visible.reduce((sum, { amount }) => sum + amount, 0));
        else expect(total).to.include({ of: real, amount: all.reduce((sum, { amount }) => sum + amount, 0) });
      }),
    );
  });

  it('are exact where one person is enough', () => {
    fc.assert(fc.property(counts, (all) => totalOf(all, 1).people === all.reduce((sum, { people }) => sum + people, 0)));
  });
});

describe('the period of analytics', () => {
  const today = Date.parse('2026-11-28T00:00:00Z') / 86_400_000;
  const read = (query: object): [number, number] => {
    const { from, to } = readPeriod(query, today, 400);
    return [from - today, to - today];
  };
  const refused = (query: object): string => {
    try {
      return read(query).join();
    } catch (error) {
      return (error as AppError).message;
    }
  };

  it('is the last thirty complete days unless it is named', () => {
    expect(read({})).to.deep.equal([-30, -1]);
    expect(read({ days: 7 })).to.deep.equal([-7, -1]);
    expect(read({ to: '2026-11-20', days: 1 })).to.deep.equal([-8, -8]);
    expect(read({ from: '2026-11-01' })).to.deep.equal([-27, -1]);
    expect(read({ from: '2026-02-28', to: '2026-03-01' })).to.deep.equal([-273, -272]);
  });

  it('names the field that is wrong', () => {
    expect(refused({ to: '2026-11-28' })).to.equal('to: is not over yet: the last complete day is 2026-11-27 (UTC)');
    expect(refused({ from: '2026-11-28' })).to.equal('from: is after the last complete day, 2026-11-27 (UTC)');
    expect(refused({ from: '2026-11-02', to: '2026-11-01' })).to.equal('from: is after to');
    expect(refused({ from: '2026-11-01', days: 3 })).to.equal('days: and from exclude each other');
    expect(refused({ from: '2026-02-29' })).to.equal('from: is not a date such as 2026-11-28');
    expect(refused({ from: '2025-11-01', to: '2026-11-20' })).to.equal('from: a period has 366 days at most');
    expect(refused({ to: '2025-10-30', days: 10 })).to.equal('to: counters are kept for 400 days: the first that there are is 2025-10-24');
  });
});
