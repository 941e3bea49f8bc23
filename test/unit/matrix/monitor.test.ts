import { expect } from 'chai';
import { mock } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock } from '../../../src/kernel/clock.ts';
import { HomeserverUnreachable, type Homeserver } from '../../../src/matrix/homeserver.ts';
import { HomeserverMonitor } from '../../../src/matrix/monitor.ts';
import { recordingLog } from '../../support/quiet-log.ts';

describe('the look at the homeserver', () => {
  /** What the homeserver can do just now. */
  let canPing: boolean;
  let asked: string[];
  let reached: number;
  let monitor: HomeserverMonitor;

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    [canPing, asked, reached] = [true, [], 0];
    const request = (method: string, path: string): Promise<never> => {
      asked.push(`${method} ${path.replace(/.*\//, '')}`);
      return path.endsWith('/ping') && !canPing ? Promise.reject(new HomeserverUnreachable('502')) : Promise.resolve({} as never);
    };
    monitor = new HomeserverMonitor({
      homeserver: { request } as unknown as Homeserver,
      appserviceId: 'tmcp',
      clock: systemClock,
      log: recordingLog(),
      onReachable: () => {
        reached += 1;
        return Promise.resolve();
      },
    });
  });
  afterEach(async () => {
    mock.timers.reset();
    await monitor.stop();
  });

  const pass = async (ms: number): Promise<void> => {
    mock.timers.tick(ms);
    for (let turn = 0; turn < 10; turn += 1) await nextTurn();
  };

  it('asks for a ping again and again, so that a homeserver that has given up on us for a while delivers at once', async () => {
    await monitor.start();
    await pass(30_000);
    await pass(30_000);
    expect(asked).to.deep.equal(['POST ping', 'POST ping', 'POST ping']);
    expect([monitor.state().state, reached]).to.deep.equal(['connected', 1]);
  });

  it('notices that the homeserver no longer gets through to us, and that it does again', async () => {
    await monitor.start();
    canPing = false;
    await pass(30_000);
    expect(monitor.state().state).to.equal('one_way');
    expect(asked).to.deep.equal(['POST ping', 'POST ping', 'GET versions']);
    canPing = true;
    await pass(1000);
    expect(monitor.state().state).to.equal('connected');
    // Once at the first success, once for what can go out while only this direction works, and once when both did again.
    expect(reached).to.equal(3);
  });
});
