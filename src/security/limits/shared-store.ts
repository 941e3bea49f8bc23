import type { Clock } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/errors.ts';
import type { Log } from '../../kernel/log.ts';
import { createMemoryStore, type LimitStore, type MemoryStore } from './store.ts';
import { createRedisStore } from './redis-store.ts';
import type { RedisConnection } from './redis.ts';

export interface SharedStore extends LimitStore {
  /** Whether Redis counts now. */
  isShared(): boolean;
  /** Keys that are counted in this process. */
  localSize(): number;
  /** Once it is known whether Redis answers. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

export interface SharedStoreDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** Undefined: this process counts alone, and that is how it is meant. */
  readonly connect: (() => Promise<RedisConnection>) | undefined;
  readonly prefix: string;
  /** Between two looks whether Redis is back. */
  readonly probeMs?: number;
}

const defaultProbeMs = 1000;

/** Memory alone, or Redis and, while it does not answer, memory. */
export function createSharedStore(deps: SharedStoreDependencies): SharedStore {
  const local = createMemoryStore(deps.clock);
  return deps.connect === undefined ? { ...local, isShared: () => false, localSize: () => local.size(), ready: () => Promise.resolve(), close: () => Promise.resolve() } : new FallingBack(deps, deps.connect, local);
}

/** Redis as long as it answers; each process alone until it does again. */
class FallingBack implements SharedStore {
  readonly #deps: SharedStoreDependencies;
  readonly #local: MemoryStore;
  readonly #connecting: Promise<RedisConnection>;
  readonly #firstLook: Promise<void>;
  #redis: RedisConnection | undefined;
  #shared: LimitStore | undefined;
  #probe: NodeJS.Timeout | undefined;
  #isUp = false;
  #isClosed = false;

  constructor(deps: SharedStoreDependencies, connect: () => Promise<RedisConnection>, local: MemoryStore) {
    this.#deps = deps;
    this.#local = local;
    this.#connecting = connect();
    this.#firstLook = this.#connecting.then(
      (redis) => {
        this.#redis = redis;
        this.#shared = createRedisStore(redis, deps.clock, deps.prefix);
        return this.#look(true);
      },
      (error: unknown) => deps.log.error({ error: errorText(error) }, 'the client of Redis could not be loaded: limits are counted by each process alone'),
    );
  }

  isShared(): boolean {
    return this.#isUp;
  }

  localSize(): number {
    return this.#local.size();
  }

  ready(): Promise<void> {
    return this.#firstLook;
  }

  async take(...request: Parameters<LimitStore['take']>): ReturnType<LimitStore['take']> {
    if (!this.#isUp || this.#shared === undefined) return this.#local.take(...request);
    try {
      return await this.#shared.take(...request);
    } catch (error) {
      this.#lost(error);
      return this.#local.take(...request);
    }
  }

  async forget(...request: Parameters<LimitStore['forget']>): Promise<void> {
    await this.#local.forget(...request);
    if (this.#isUp) await this.#shared?.forget(...request).catch((error: unknown) => this.#lost(error));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#probe);
    await (await this.#connecting.catch(() => undefined))?.close();
  }

  #lost(error: unknown): void {
    if (this.#isUp) this.#deps.log.warn({ error: errorText(error) }, 'Redis does not answer: limits are counted by each process alone until it does');
    this.#isUp = false;
    this.#lookAgain();
  }

  #lookAgain(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#probe);
    this.#probe = setTimeout(() => void this.#look(false), this.#deps.probeMs ?? defaultProbeMs);
    this.#probe.unref();
  }

  async #look(isFirst: boolean): Promise<void> {
    try {
      await this.#redis?.ping();
      if (this.#isClosed || this.#isUp) return;
      this.#isUp = true;
      this.#deps.log.info({}, isFirst ? 'limits are counted in Redis' : 'Redis answers: limits are counted there again');
    } catch (error) {
      if (isFirst) this.#deps.log.info({ error: errorText(error) }, 'Redis does not answer yet: limits are counted by each process alone until it does');
      this.#lookAgain();
    }
  }
}
