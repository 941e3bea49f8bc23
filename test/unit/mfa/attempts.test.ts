import { expect } from 'chai';
import { nextAttempt } from '../../../src/mfa/attempts.ts';

describe('attempts', () => {
  const policy = { maxAttempts: 3, lockMs: 1000, maxLockMs: 5000 };

  it('lock at each third failure, twice as long each time, up to the longest lock', () => {
    let state = { failures: 0, lockedUntil: 0 };
    const locks: number[] = [];
    for (let now = 1; now <= 15; now += 1) {
      state = nextAttempt(state, now, policy);
      locks.push(state.lockedUntil > now ? state.lockedUntil - now : 0);
      if (state.lockedUntil > now) state = { ...state, lockedUntil: 0 };
    }
    expect(locks).to.deep.equal([0, 0, 1000, 0, 0, 2000, 0, 0, 4000, 0, 0, 5000, 0, 0, 5000]);
  });

  it('do not overflow after years of failures', () => {
    expect(nextAttempt({ failures: 29_999, lockedUntil: 0 }, 10, policy).lockedUntil).to.equal(5010);
  });
});
