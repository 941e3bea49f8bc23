import { createHash } from 'node:crypto';
import type { RedisScripts } from './redis-store.ts';

/** A connection to Redis, which comes back by itself. */
export interface RedisConnection extends RedisScripts {
  /** Rejects when Redis does not answer in time. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** How long a request waits for Redis, before it is counted here alone. */
const answerWithinMs = 250;
/** The end of that wait. A process that stood still begins it late, and reads what came meanwhile. */
const lastPartMs = 50;
const reconnectEveryMs = 500;

class RedisSilent extends Error {
  override readonly name = 'RedisSilent';
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      timer = setTimeout(() => reject(new RedisSilent(`no answer within ${answerWithinMs} ms`)), lastPartMs);
    }, answerWithinMs - lastPartMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // Whoever comes too late must not end the process.
    work.catch(() => undefined);
  }
}

/** Returns after the first attempt to connect, whatever came of it: the client goes on trying. It is loaded only where Redis is configured. */
export async function connectRedis(url: string): Promise<RedisConnection> {
  const { createClient } = await import('redis');
  const client = createClient({ url, disableOfflineQueue: true, socket: { connectTimeout: 2000, reconnectStrategy: () => reconnectEveryMs } });
  // Told by whoever asks for something; without a listener it would end the process.
  client.on('error', () => undefined);
  const first = new Promise<void>((resolve) => void client.once('ready', resolve).once('error', () => resolve()));
  client.connect().catch(() => undefined);
  await first;
  const hashes = new Map<string, string>();
  const hashOf = (script: string): string => {
    const hash = hashes.get(script) ?? createHash('sha1').update(script).digest('hex');
    hashes.set(script, hash);
    return hash;
  };
  const evaluate = async (script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> => {
    const options = { keys: [...keys], arguments: [...args] };
    try {
      return await client.evalSha(hashOf(script), options);
    } catch (error) {
      if (!String(error).includes('NOSCRIPT')) throw error;
      return client.eval(script, options);
    }
  };
  return {
    run: (script, keys, args) => inTime(evaluate(script, keys, args)),
    ping: async () => void (await inTime(client.ping())),
    close: () => {
      client.destroy();
      return Promise.resolve();
    },
  };
}
