import { expect } from 'chai';
import { LoopHealth } from '../../../src/kernel/loop-health.ts';

describe('the health of a background loop', () => {
  const loopAt = (start: number) => {
    let now = start;
    const health = new LoopHealth({ now: () => now }, 1000);
    return { health, pass: (ms: number) => (now += ms) };
  };

  it('is good from its start on, until no round completes for too long', () => {
    const { health, pass } = loopAt(50);
    pass(999);
    expect(health.report()).to.deep.equal({ lastRunAt: 50, error: undefined, healthy: true });
    pass(1);
    expect(health.report().healthy).to.equal(false);
    health.succeeded();
    expect(health.report()).to.deep.equal({ lastRunAt: 1050, error: undefined, healthy: true });
  });

  it('is bad while rounds fail, and says why', () => {
    const { health, pass } = loopAt(0);
    pass(10);
    health.failed(new Error('the disk is full'));
    expect(health.report()).to.deep.equal({ lastRunAt: 0, error: 'Error: the disk is full', healthy: false });
    health.succeeded();
    expect(health.report()).to.deep.equal({ lastRunAt: 10, error: undefined, healthy: true });
  });
});
