import type { Clock } from './clock.ts';
import { waitAwake } from './wait-awake.ts';

export interface QuickLookupOptions {
  readonly clock: Clock;
  /** How long an answer counts. */
  readonly lifetimeMs: number;
  /** How long nobody asks again after a failure. */
  readonly retryMs: number;
  /** The longest that a caller waits. */
  readonly waitMs: number;
  readonly maxEntries: number;
}

interface Entry<V> {
  readonly until: number;
  readonly value: V | undefined;
}

/**
 * Asks somebody slow for what is good to know and not needed: remembers answers, asks once at a time for each key, and waits
 * only so long; who comes while it takes longer gets the last answer, or undefined. Never throws.
 */
export function createQuickLookup<V>({ clock, lifetimeMs, retryMs, waitMs, maxEntries }: QuickLookupOptions, ask: (key: string) => Promise<V | undefined>): (key: string) => Promise<V | undefined> {
  const known = new Map<string, Entry<V>>();
  const asking = new Map<string, Promise<V | undefined>>();

  const remember = (key: string, value: V | undefined, forMs: number): V | undefined => {
    known.delete(key);
    known.set(key, { until: clock.now() + forMs, value });
    if (known.size > maxEntries) known.delete(known.keys().next().value!);
    return value;
  };
  const askNow = (key: string): Promise<V | undefined> => {
    const answer = ask(key)
      .then((value) => remember(key, value, lifetimeMs), () => remember(key, known.get(key)?.value, retryMs))
      .finally(() => asking.delete(key));
    asking.set(key, answer);
    return answer;
  };

  return async (key) => {
    const entry = known.get(key);
    if (entry !== undefined && entry.until > clock.now()) return entry.value;
    const answer = asking.get(key) ?? askNow(key);
    const timer = new AbortController();
    try {
      return await Promise.race([answer, waitAwake(waitMs, timer.signal).then(() => entry?.value)]);
    } finally {
      timer.abort();
    }
  };
}
