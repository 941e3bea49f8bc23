import { expect } from 'chai';
import fc from 'fast-check';
import { currencyExponents } from '../../../src/kernel/currencies.ts';
import { AppError } from '../../../src/kernel/errors.ts';
import { canonicalJson, numberTexts } from '../../../src/kernel/json.ts';
import { amountNumber, amountText, asCurrency, eventAmounts, exponentOf, isCurrency, readAmount, signedSpellings, type Currency } from '../../../src/kernel/money.ts';

/** One currency of each number of decimals that there is. */
const samples = ['JPY', 'USD', 'BHD', 'CLF'].map(asCurrency);
const currency = fc.constantFrom(...samples);
const minor = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const usd = asCurrency('USD');

const problemOf = (text: unknown, of: Currency): string => {
  try {
    return `accepted as ${readAmount(text, of, 'amount')}`;
  } catch (error) {
    expect(error).to.be.instanceOf(AppError).with.property('code', 'INVALID_AMOUNT');
    expect((error as AppError).details).to.have.nested.property('[0].field', 'amount');
    return (error as AppError).message;
  }
};

describe('money', () => {
  it('knows the currencies of ISO 4217 with their decimals', () => {
    expect(samples.map(exponentOf)).to.deep.equal([0, 2, 3, 4]);
    expect(new Set(currencyExponents.values())).to.deep.equal(new Set([0, 2, 3, 4]));
    expect([...currencyExponents.keys()].every((code) => /^[A-Z]{3}$/.test(code))).to.equal(true);
    // Where other lists are out of date, or show habits: these are the standard's.
    expect(['ISK', 'HUF', 'TWD', 'MGA', 'IDR', 'UGX', 'XCG', 'ZWG'].map((code) => exponentOf(asCurrency(code)))).to.deep.equal([0, 2, 2, 2, 2, 0, 2, 2]);
    for (const no of ['usd', 'XAU', 'XXX', 'BTC', 'HRK', '', undefined, 840]) expect(isCurrency(no), String(no)).to.equal(false);
  });

  it('reads what it writes, for any amount of any number of decimals', () => {
    fc.assert(fc.property(minor, currency, (amount, of) => readAmount(amountText(amount, of), of, 'amount') === amount));
    fc.assert(fc.property(minor, currency, (amount, of) => readAmount(JSON.stringify(amountNumber(amount, of)), of, 'amount') === amount));
    fc.assert(fc.property(minor, currency, (amount, of) => signedSpellings(amount, of).every((text) => readAmount(text, of, 'amount') === amount)));
  });

  it('writes all decimals, and the same value as the minor units', () => {
    fc.assert(fc.property(minor, currency, (amount, of) => {
      const [whole = '', decimals = ''] = amountText(amount, of).split('.');
      return decimals.length === exponentOf(of) && BigInt(`${whole}${decimals}`) === BigInt(amount);
    }));
    expect([amountText(0, usd), amountText(5, usd), amountText(-1050, usd), amountText(7, asCurrency('JPY')), amountText(7, asCurrency('CLF'))]).to.deep.equal(['0.00', '0.05', '-10.50', '7', '0.0007']);
    expect(JSON.stringify({ amount: amountNumber(9007199254740991, usd) })).to.equal('{"amount":90071992547409.91}');
  });

  it('refuses more decimals than the currency has, however they are written', () => {
    fc.assert(fc.property(minor, currency, fc.integer({ min: 1, max: 9 }), (amount, of, digit) => {
      const text = amountText(Math.ceil(amount / 1000), of);
      const finer = text.includes('.') ? `${text}${digit}` : `${text}.${digit}`;
      return problemOf(finer, of).includes('more than the');
    }));
    for (const text of ['0.001', '1e-3', '10.005', '0.00000000000000000001', '1.0e-3']) expect(problemOf(text, usd), text).to.equal('amount: has more than the 2 decimals of USD');
  });

  it('takes other spellings of the same number', () => {
    for (const text of ['5000', '5000.0', '5000.00', '5000.000', '5e3', '5.0E+3', '0.5e4', '500000e-2']) expect(readAmount(text, usd, 'amount'), text).to.equal(500_000);
  });

  it('refuses what is no positive amount that fits', () => {
    for (const text of ['', ' 1', '1 ', '+1', '01', '.5', '5.', '1,000', '0x10', 'NaN', 'Infinity', '1e', '٣', '1'.repeat(41), undefined, null, 5, {}]) {
      expect(problemOf(text, usd), JSON.stringify(text) ?? 'undefined').to.equal('amount: must be a positive decimal number');
    }
    for (const text of ['-1', '-0.01', '-0']) expect(problemOf(text, usd), text).to.equal('amount: must not be negative');
    for (const text of ['0', '0.00', '0e9']) expect(problemOf(text, usd), text).to.equal('amount: must be more than zero');
    for (const text of ['90071992547409.92', '1e20', '9e999', '90071992547409910']) expect(problemOf(text, usd), text).to.equal('amount: is too large');
    expect(readAmount('90071992547409.91', usd, 'amount')).to.equal(Number.MAX_SAFE_INTEGER);
  });

  it('puts no fraction into an event', () => {
    fc.assert(fc.property(minor, currency, (amount, of) => {
      const shown = eventAmounts({ amountMinor: amount, currency: of });
      const whole = typeof shown.amount === 'number';
      return shown.amount_minor === amount && (whole ? Number.isInteger(shown.amount) && amount % 10 ** exponentOf(of) === 0 : shown.amount === amountText(amount, of));
    }));
    expect(eventAmounts({ amountMinor: 1250, currency: usd })).to.deep.equal({ amount: '12.50', amount_minor: 1250, currency: 'USD' });
    expect(eventAmounts({ amountMinor: 500_000, currency: usd })).to.deep.equal({ amount: 5000, amount_minor: 500_000, currency: 'USD' });
  });

  it('lets exactly two spellings be signed', () => {
    expect(signedSpellings(500_000, usd)).to.deep.equal(['5000.00', '5000']);
    expect(signedSpellings(1250, usd)).to.deep.equal(['12.50', '12.5']);
    expect(signedSpellings(1255, usd)).to.deep.equal(['12.55']);
    expect(signedSpellings(100, asCurrency('JPY'))).to.deep.equal(['100']);
  });
});

describe('JSON', () => {
  it('gives numbers as they were written, of the object itself only', () => {
    const texts = numberTexts('{"a": 0.10000000000000000001, "b": {"a": 2}, "c": [3], "d": "4", "a": 1e2}');
    expect([...texts]).to.deep.equal([['a', '1e2']]);
    expect([...numberTexts('[1]')]).to.deep.equal([]);
    expect([...numberTexts('1')]).to.deep.equal([]);
  });

  it('is the same text for the same content', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: undefined })).to.equal('{"b":[1,{"c":"x","d":null}]}');
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      const turned = Object.fromEntries(Object.entries(object).reverse());
      return canonicalJson(object) === canonicalJson(turned);
    }));
  });
});
