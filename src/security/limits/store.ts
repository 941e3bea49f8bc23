import type { Clock } from '../../kernel/clock.ts';
import { bucketVerdict, capacityOf, hasToken, rateOf, refilled, windowVerdict, type Policy, type Verdict } from './policy.ts';

/** Where requests are counted. */
export interface LimitStore {
  /** Counts a request, if it may be let in; `peek` only looks whether it would be. One step, however many ask at once. */
  take(name: string, policy: Policy, key: string, peek?: boolean): Promise<Verdict>;
  /** As if nothing had been counted under this key. */
  forget(name: string, policy: Policy, key: string): Promise<void>;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Counts in this process. Keys whose count is as if they had never come are dropped; so are, beyond `maxKeys`, those that were idle for longest. */
export interface MemoryStore extends LimitStore {
  /** How many keys are kept. */
  size(): number;
}

/** Of one policy: ordered by when they were last used, the idle first. */
interface Counts {
  readonly buckets: Map<string, Bucket>;
  readonly windows: Map<string, number[]>;
}

function touch<V>(map: Map<string, V>, key: string, value: V, maxKeys: number, isSpent: (value: V) => boolean): void {
  map.delete(key);
  map.set(key, value);
  for (const [idle, kept] of map) {
    if (idle === key || (map.size <= maxKeys && !isSpent(kept))) return;
    map.delete(idle);
  }
}

export function createMemoryStore(clock: Clock, maxKeys = 100_000): MemoryStore {
  const byName = new Map<string, Counts>();
  const countsOf = (name: string): Counts => {
    const known = byName.get(name) ?? { buckets: new Map(), windows: new Map() };
    byName.set(name, known);
    return known;
  };

  const takeToken = ({ buckets }: Counts, policy: Policy, key: string, peek: boolean): Verdict => {
    const now = clock.now();
    const bucket = buckets.get(key);
    const tokens = bucket === undefined ? capacityOf(policy) : refilled(policy, bucket.tokens, bucket.at, now);
    const allowed = hasToken(tokens);
    if (peek || !allowed) return bucketVerdict(policy, allowed, tokens);
    const fullMs = capacityOf(policy) / rateOf(policy);
    touch(buckets, key, { tokens: tokens - 1, at: now }, maxKeys, ({ at }) => now - at > fullMs);
    return bucketVerdict(policy, true, tokens - 1);
  };

  const takeSlot = ({ windows }: Counts, policy: Policy, key: string, peek: boolean): Verdict => {
    const now = clock.now();
    const since = now - policy.windowMs;
    const times = (windows.get(key) ?? []).filter((time) => time > since);
    const allowed = times.length < capacityOf(policy);
    if (allowed && !peek) {
      times.push(now);
      touch(windows, key, times, maxKeys, (kept) => kept.at(-1)! <= since);
    }
    return windowVerdict(policy, allowed, times.length, times.length === 0 ? undefined : { oldest: times[0]!, newest: times.at(-1)! }, now);
  };

  return {
    take: (name, policy, key, peek = false) => Promise.resolve((policy.algorithm === 'token_bucket' ? takeToken : takeSlot)(countsOf(name), policy, key, peek)),
    forget(name, { algorithm }, key) {
      const { buckets, windows } = countsOf(name);
      (algorithm === 'token_bucket' ? buckets : windows).delete(key);
      return Promise.resolve();
    },
    size: () => [...byName.values()].reduce((sum, { buckets, windows }) => sum + buckets.size + windows.size, 0),
  };
}
