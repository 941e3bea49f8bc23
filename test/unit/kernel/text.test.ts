import { expect } from 'chai';
import { isText, textProblem } from '../../../src/kernel/text.ts';

const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`) as unknown;

describe('text', () => {
  it('is what every place can hold', () => {
    expect(['', 'Schach ♟️', '😀', 'a\nb'].map(isText)).to.deep.equal([true, true, true, true]);
    expect(['a\0b', 'a\ud800b', '\udc00'].map(isText)).to.deep.equal([false, false, false]);
  });

  it('is looked for everywhere in a value, and the place is named', () => {
    expect(textProblem({ a: [1, { b: 'x' }], c: null })).to.equal(undefined);
    expect(textProblem({ a: [1, { b: 'x\0' }] })?.field).to.equal('a.1.b');
    expect(textProblem({ a: { 'x\ud800': 1 } })).to.deep.equal({ field: 'a', problem: 'has a member whose name no text can hold' });
    expect(textProblem('\0')?.field).to.equal('body');
  });

  it('is not looked for in what is opaque', () => {
    expect(textProblem({ items: [{ key: 'k', value: { deep: 'x\0' } }] }, ['value'])).to.equal(undefined);
    expect(textProblem({ items: [{ key: 'k\0', value: 1 }] }, ['value'])?.field).to.equal('items.0.key');
  });

  it('may not be nested without end', () => {
    expect(textProblem(nested(64))).to.equal(undefined);
    expect(textProblem(nested(65))?.problem).to.equal('is nested too deeply');
    expect(textProblem(nested(100_000))?.problem, 'and nobody runs out of stack').to.equal('is nested too deeply');
  });
});
