import { setTimeout as delay } from 'node:timers/promises';

const INTERVAL_MS = 20;

/** How long to keep trying, and what for. */
export interface EventuallyOptions {
  description: string;
  timeoutMs?: number;
}

/**
 * Repeats a check that throws until it passes, and returns its answer. Only for state that another process changes without
 * telling: what happens in this process, or arrives as an event, is awaited.
 */
export async function eventually<T>(check: () => T | Promise<T>, { description, timeoutMs = 30_000 }: EventuallyOptions): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (failure) {
      if (performance.now() >= deadline) {
        const reason = failure instanceof Error ? failure.message : String(failure);
        throw new Error(`Not within ${timeoutMs} ms: ${description}. Last: ${reason}`, { cause: failure });
      }
      await delay(INTERVAL_MS);
    }
  }
}
