import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { prepareServer } from '../test/support/server-process.ts';
import type { Measurement } from './support.ts';

const limits = { readyMs: 2000, residentMb: 200 };
const rounds = 5;
/** Until what the start left behind has been tidied up. */
const settleMs = 5000;

async function firstStart(): Promise<{ readyMs: number; residentMb: number }> {
  // Nothing is compiled yet.
  const server = await prepareServer({ env: { NODE_DISABLE_COMPILE_CACHE: '1' } });
  const before = performance.now();
  await server.start();
  while (!readFileSync(server.logFile, 'utf8').includes('"ready: ')) await delay(5);
  const readyMs = performance.now() - before;
  await delay(settleMs);
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  await server.stop();
  return { readyMs, residentMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024 };
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** The first start of a new installation (keys made, database migrated, registry filled), and the memory of the idle server after it. */
export async function measureStart(): Promise<Measurement[]> {
  const starts = [];
  for (let round = 0; round < rounds; round += 1) starts.push(await firstStart());
  const readyMs = median(starts.map((start) => start.readyMs));
  const residentMb = median(starts.map((start) => start.residentMb));
  return [
    { what: 'first start to ready: the limit against what it took', ratio: limits.readyMs / readyMs, atLeast: 1, detail: `${readyMs.toFixed(0)} ms of ${limits.readyMs} ms` },
    { what: 'idle memory: the limit against what is resident', ratio: limits.residentMb / residentMb, atLeast: 1, detail: `${residentMb.toFixed(0)} MB of ${limits.residentMb} MB` },
  ];
}
