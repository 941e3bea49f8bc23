import { expect } from 'chai';
import { asUserId } from '../../../src/kernel/ids.ts';
import { createWatch, spaceName } from '../../../src/storage/watch.ts';
import { recordingLog } from '../../support/quiet-log.ts';

const owner = { userId: asUserId('@alice:example.org'), namespace: 'ma_notes' };
const other = { ...owner, namespace: 'ma_other' };

/** Looks made at the database, answered one by one, so that a test knows where the waiting is. */
function looks() {
  const asked: ((changed: boolean) => void)[] = [];
  const waiters: (() => void)[] = [];
  return {
    hasChanged: () =>
      new Promise<boolean>((resolve) => {
        asked.push(resolve);
        waiters.shift()?.();
      }),
    /** The next look that somebody makes. */
    next: async (): Promise<(changed: boolean) => void> => {
      if (asked.length === 0) await new Promise<void>((resolve) => waiters.push(resolve));
      return asked.shift()!;
    },
  };
}

describe('waiting for changes of stored entries', () => {
  const clock = { now: () => Date.now() };
  const never = new AbortController().signal;
  const minute = (): number => Date.now() + 60_000;

  it('ends when this process has committed a change, of this owner and no other', async () => {
    const { hasChanged, next } = looks();
    const watch = createWatch({ clock, log: recordingLog(), hasChanged, pollIntervalMs: 60_000 });
    let ended = false;
    const waiting = watch.wait(owner, 1, minute(), never).then(() => (ended = true));
    (await next())(false);
    watch.notify([spaceName(other)]);
    await new Promise(setImmediate);
    expect(ended).to.equal(false);
    watch.notify([spaceName(owner)]);
    await waiting;
  });

  it('ends when a change is committed while it looks for one', async () => {
    const { hasChanged, next } = looks();
    const watch = createWatch({ clock, log: recordingLog(), hasChanged, pollIntervalMs: 60_000 });
    const waiting = watch.wait(owner, 1, minute(), never);
    const answer = await next();
    watch.notify([spaceName(owner)]);
    answer(false);
    await waiting;
  });

  it('finds at its next look what another process has done, also after a look that failed', async () => {
    const { hasChanged, next } = looks();
    let failing = true;
    const watch = createWatch({ clock, log: recordingLog(), hasChanged: () => (failing ? Promise.reject(new Error('away')) : hasChanged()), pollIntervalMs: 1 });
    const waiting = watch.wait(owner, 1, minute(), never);
    failing = false;
    (await next())(false);
    (await next())(true);
    await waiting;
  });

  it('ends at its time, with the caller, and with the server', async () => {
    const { hasChanged, next } = looks();
    const watch = createWatch({ clock, log: recordingLog(), hasChanged, pollIntervalMs: 60_000 });
    await watch.wait(owner, 1, Date.now(), never);
    const gone = new AbortController();
    const withCaller = watch.wait(owner, 1, minute(), gone.signal);
    (await next())(false);
    gone.abort();
    await withCaller;
    const withServer = watch.wait(owner, 1, minute(), never);
    (await next())(false);
    watch.stop();
    await withServer;
    await watch.wait(owner, 1, minute(), never);
  });
});
