import { expect } from 'chai';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createQuickLookup } from '../../../src/kernel/quick-lookup.ts';
import { TestClock } from '../../http/oauth/support.ts';

describe('a quick look-up of what somebody slow knows', () => {
  const clock = new TestClock();
  let asked: string[];
  let answer: (key: string) => Promise<string | undefined>;
  const lookup = () => {
    asked = [];
    return createQuickLookup<string>({ clock, lifetimeMs: 1000, retryMs: 500, waitMs: 20, maxEntries: 2 }, (key) => {
      asked.push(key);
      return answer(key);
    });
  };

  it('asks once while the answer counts, and once for many who ask at the same moment', async () => {
    answer = (key) => Promise.resolve(`of ${key}`);
    const find = lookup();
    expect(await Promise.all([find('a'), find('a'), find('b')])).to.deep.equal(['of a', 'of a', 'of b']);
    await find('a');
    clock.advance(1000);
    await find('a');
    expect(asked).to.deep.equal(['a', 'b', 'a']);
  });

  it('does without what takes too long, or says what it knew, and has the answer for who comes later', async () => {
    let release = (_value: string): void => undefined;
    answer = () => Promise.resolve('old');
    const find = lookup();
    await find('a');
    clock.advance(1000);
    answer = () => new Promise((resolve) => (release = resolve));
    expect([await find('a'), await find('b')]).to.deep.equal(['old', undefined]);
    release('of b');
    await Promise.resolve();
    expect(await find('b')).to.equal('of b');
  });

  it('has the answer that came while the process stood still', async () => {
    answer = async () => {
      await nextTurn();
      for (const end = Date.now() + 40; Date.now() < end; );
      await nextTurn();
      return 'here';
    };
    expect(await lookup()('a')).to.equal('here');
  });

  it('keeps what it knew when asking fails, and leaves them alone for a while', async () => {
    answer = () => Promise.resolve('old');
    const find = lookup();
    await find('a');
    clock.advance(1000);
    answer = () => Promise.reject(new Error('down'));
    expect([await find('a'), await find('a'), await find('b')]).to.deep.equal(['old', 'old', undefined]);
    expect(asked).to.deep.equal(['a', 'a', 'b']);
  });

  it('remembers only so many', async () => {
    answer = (key) => Promise.resolve(key);
    const find = lookup();
    for (const key of ['a', 'b', 'c', 'a']) await find(key);
    expect(asked).to.deep.equal(['a', 'b', 'c', 'a']);
  });
});
