import { expect } from 'chai';
import fc from 'fast-check';
import { JsonText, textAt, textsOfItems, writeJson } from '../../../src/kernel/json-text.ts';

const indented = (value: unknown): string => JSON.stringify(value, undefined, '\t \n');

describe('JSON text', () => {
  it('finds a member wherever it stands, and leaves out the white space between tokens', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (value, before, after) => {
        expect(textAt(indented({ before, value, after }), ['value'])?.text).to.equal(JSON.stringify(value));
      }),
      { numRuns: 2000 },
    );
  });

  it('finds the members of the items of a list', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 8 }), fc.jsonValue(), (values, other) => {
        const text = indented({ other, items: values.map((value) => ({ other, value, key: 'k' })) });
        expect(textsOfItems(text, 'items', 'value').map((found) => found?.text)).to.deep.equal(values.map((value) => JSON.stringify(value)));
      }),
      { numRuns: 1000 },
    );
  });

  it('compares names as what they spell, and takes the last', () => {
    expect(textAt('{"a":1,"\\u0061" : 2}', ['a'])?.text).to.equal('2');
    expect(textAt('{"a":{"b":[1, 2.0]}}', ['a', 'b', 1])?.text).to.equal('2.0');
    expect(textAt('\ufeff {"a": "x \\" y" }', ['a'])?.text).to.equal('"x \\" y"');
    for (const path of [['b'], ['a', 0], ['a', 'b']]) expect(textAt('{"a":1}', path)).to.equal(undefined);
    expect(textsOfItems('{"items":[{},{"value":null}]}', 'items', 'value').map((found) => found?.text)).to.deep.equal([undefined, 'null']);
    expect(textsOfItems('{}', 'items', 'value')).to.deep.equal([]);
  });

  it('writes what JSON.stringify writes, with texts in it as they are', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => void expect(writeJson(value)).to.equal(JSON.stringify(value))));
    expect(writeJson({ a: undefined, b: [undefined, new JsonText('1.0')], c: { d: new JsonText('{"x":1e2}') } })).to.equal('{"b":[null,1.0],"c":{"d":{"x":1e2}}}');
  });
});
