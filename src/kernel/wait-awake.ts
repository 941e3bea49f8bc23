import { setTimeout as delay } from 'node:timers/promises';

const parts = 5;

/**
 * Waits for `ms` during which this process runs, for who races an answer against it: in parts, of which a process that stood still has
 * lost one, so that it reads the answer that came meanwhile before it gives up. Keeps no process alive. Rejects when `signal` ends it.
 */
export async function waitAwake(ms: number, signal: AbortSignal): Promise<void> {
  for (let part = 0; part < parts; part += 1) await delay(ms / parts, undefined, { signal, ref: false });
}
