import { createHash } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { bucketVerdict, capacityOf, rateOf, windowVerdict, type Policy, type Verdict } from './policy.ts';
import type { LimitStore } from './store.ts';

/** What is needed of the client of Redis. */
export interface RedisScripts {
  run(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown>;
}

/**
 * One bucket: its tokens and when they were counted. The time is the caller's; one that is behind another machine's takes
 * nothing back. A key is forgotten once its bucket would be full. Answers whether it was let in, and the tokens then.
 */
const bucketScript = `
local capacity, rate, now, peek = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local at = tonumber(kept[2]) or now
local tokens = math.min(capacity, (tonumber(kept[1]) or capacity) + math.max(0, now - at) * rate)
if tokens < 1 - 1e-6 then return {0, string.format('%.17g', tokens)} end
if not peek then
  tokens = tokens - 1
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', math.max(now, at))
  redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - tokens) / rate) + 1000)
end
return {1, string.format('%.17g', tokens)}`;

/** The sorted set of section 11.4.3. Answers whether it was let in, how many there are, and the first and last of them. */
const windowScript = `
local capacity, window, now, peek = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local count = redis.call('ZCARD', KEYS[1])
local allowed = count < capacity and 1 or 0
if allowed == 1 and not peek then
  redis.call('ZADD', KEYS[1], now, ARGV[5])
  redis.call('PEXPIRE', KEYS[1], window + 1000)
  count = count + 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
return {allowed, count, oldest[2] or '', newest[2] or ''}`;

/** Whom a key is about is nobody's business who looks into Redis. */
const keyOf = (prefix: string, name: string, key: string): string => `${prefix}:${name}:${createHash('sha256').update(key).digest('base64url').slice(0, 27)}`;

/** Counts in Redis, for any number of instances. Rejects when Redis does not answer. */
export function createRedisStore(redis: RedisScripts, clock: Clock, prefix: string): LimitStore {
  const takeToken = async (policy: Policy, key: string, peek: string): Promise<Verdict> => {
    const [allowed, tokens] = (await redis.run(bucketScript, [key], [String(capacityOf(policy)), String(rateOf(policy)), String(clock.now()), peek])) as [number, string];
    return bucketVerdict(policy, allowed === 1, Number(tokens));
  };
  const takeSlot = async (policy: Policy, key: string, peek: string): Promise<Verdict> => {
    const now = clock.now();
    const [allowed, count, oldest, newest] = (await redis.run(windowScript, [key], [String(capacityOf(policy)), String(policy.windowMs), String(now), peek, newId('r')])) as [number, number, string, string];
    return windowVerdict(policy, allowed === 1, count, oldest === '' ? undefined : { oldest: Number(oldest), newest: Number(newest) }, now);
  };
  const nameOf = (name: string, { algorithm }: Policy, key: string): string => keyOf(prefix, `${name}:${algorithm === 'token_bucket' ? 'b' : 'w'}`, key);
  return {
    take: (name, policy, key, peek = false) => (policy.algorithm === 'token_bucket' ? takeToken : takeSlot)(policy, nameOf(name, policy, key), peek ? '1' : '0'),
    forget: async (name, policy, key) => void (await redis.run(`return redis.call('DEL', KEYS[1])`, [nameOf(name, policy, key)], [])),
  };
}
