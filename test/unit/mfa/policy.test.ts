import { expect } from 'chai';
import fc from 'fast-check';
import { minorOf, readThresholds, reasonsFor, type MfaPolicy, type PaymentFacts } from '../../../src/mfa/policy.ts';
import { amountSpellings } from '../../../src/mfa/terms.ts';

describe('when a payment needs a second proof', () => {
  const policy: MfaPolicy = { requireOver: readThresholds(['USD:500', 'KWD:150.5', 'JPY:60000']), requireForNewDevice: true, newDeviceMs: 1000, requireForFirstPayment: true };
  const facts: PaymentFacts = { amountMinor: 100, currency: 'USD', exponent: 2, isFirstToPayee: false, deviceSince: 0, hasOtherFactor: true, now: 5000 };

  it('is over the amount of its currency, and not at it', () => {
    for (const [currency, exponent, amountMinor, over] of [['USD', 2, 50_000, false], ['USD', 2, 50_001, true], ['KWD', 3, 150_500, false], ['KWD', 3, 150_501, true], ['JPY', 0, 60_001n, true], ['CHF', 2, 10 ** 12, false]] as const) {
      expect(reasonsFor(policy, { ...facts, currency, exponent, amountMinor }), `${currency} ${amountMinor}`).to.deep.equal(over ? ['amount'] : []);
    }
  });

  it('is signed by a device that is new, if the user has something else to show', () => {
    expect(reasonsFor(policy, { ...facts, deviceSince: 4500 })).to.deep.equal(['new_device']);
    expect(reasonsFor(policy, { ...facts, deviceSince: 4500, hasOtherFactor: false })).to.deep.equal([]);
    expect(reasonsFor(policy, { ...facts, deviceSince: 4000 })).to.deep.equal([]);
    expect(reasonsFor(policy, { ...facts, deviceSince: undefined })).to.deep.equal([]);
    expect(reasonsFor({ ...policy, requireForNewDevice: false }, { ...facts, deviceSince: 4500 })).to.deep.equal([]);
  });

  it('is the first to this payee', () => {
    expect(reasonsFor(policy, { ...facts, isFirstToPayee: true })).to.deep.equal(['first_payment']);
    expect(reasonsFor({ ...policy, requireForFirstPayment: false }, { ...facts, isFirstToPayee: true })).to.deep.equal([]);
  });
});

describe('the spellings of an amount', () => {
  it('are the decimals of the currency and the shortest JSON number, for every amount', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 53n }), fc.integer({ min: 0, max: 4 }), (amountMinor, exponent) => {
        const [fixed, shortest = fixed] = amountSpellings(amountMinor, exponent);
        expect(minorOf(fixed!, exponent)).to.equal(amountMinor);
        expect(minorOf(shortest!, exponent)).to.equal(amountMinor);
        expect(fixed).to.match(exponent === 0 ? /^\d+$/ : new RegExp(`^\\d+\\.\\d{${exponent}}$`));
        expect(shortest).not.to.match(/\.\d*0$|\.$/);
        if (amountMinor < 2n ** 40n) expect(shortest).to.equal(String(Number(fixed)).includes('e') ? shortest : JSON.stringify(Number(fixed)));
      }),
      { numRuns: 500 },
    );
  });
});
