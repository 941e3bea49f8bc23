import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../kernel/clock.ts';
import { errorText } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Owner } from './types.ts';

export interface WatchDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** Whether something has changed behind `rev`, or has expired. Asked for what other processes do. */
  readonly hasChanged: (owner: Owner, rev: number) => Promise<boolean>;
  readonly pollIntervalMs: number;
}

/** Lets requests wait until something changes, here or in another process. */
export interface Watch {
  /** Returns when something changed behind `rev`, when `untilMs` is reached, when the caller is gone, or when the server stops. */
  wait(owner: Owner, rev: number, untilMs: number, gone: AbortSignal): Promise<void>;
  /** Something was committed in the spaces of these names; undefined: in any. */
  notify(names: readonly string[] | undefined): void;
  /** Ends all waiting, now and from now on. */
  stop(): void;
  stopped(): boolean;
}

/** How others are told of a space. */
export const spaceName = ({ userId, namespace }: Owner): string => `${userId} ${namespace}`;

export function createWatch({ clock, log, hasChanged, pollIntervalMs }: WatchDependencies): Watch {
  const waiting = new Map<string, Set<AbortController>>();
  const stopped = new AbortController();

  /** Ends at the signal as at the end of the time. */
  const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
    delay(Math.max(0, ms), undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });

  const changedElsewhere = (owner: Owner, rev: number): Promise<boolean> =>
    hasChanged(owner, rev).catch((error: unknown) => {
      log.warn({ error: errorText(error) }, 'changes of stored entries could not be looked for');
      return false;
    });

  return {
    async wait(owner, rev, untilMs, gone) {
      const name = spaceName(owner);
      const woken = new AbortController();
      const others = waiting.get(name) ?? new Set();
      waiting.set(name, others.add(woken));
      const signal = AbortSignal.any([woken.signal, stopped.signal, gone]);
      try {
        // Looked at once more now that it will be told: what was committed before is not told again.
        while (!signal.aborted && clock.now() < untilMs && !(await changedElsewhere(owner, rev))) {
          await sleep(Math.min(pollIntervalMs, untilMs - clock.now()), signal);
        }
      } finally {
        others.delete(woken);
        if (others.size === 0) waiting.delete(name);
      }
    },
    notify(names) {
      for (const woken of (names ?? [...waiting.keys()]).flatMap((name) => [...(waiting.get(name) ?? [])])) woken.abort();
    },
    stop() {
      stopped.abort();
    },
    stopped: () => stopped.signal.aborted,
  };
}
