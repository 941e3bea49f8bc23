import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';

export interface Measurement {
  readonly what: string;
  /** Ours against the floor, in one run: 1 is as fast. */
  readonly ratio: number;
  readonly atLeast: number;
  readonly detail: string;
}

/** Runs both sides in turns, so that a noisy machine disturbs both alike, and returns the median rate of each (per second). */
export async function inTurns(rounds: number, ours: () => Promise<number>, floor: () => Promise<number>): Promise<{ ours: number; floor: number }> {
  const rates = { ours: [] as number[], floor: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    rates.floor.push(await floor());
    rates.ours.push(await ours());
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  return { ours: median(rates.ours), floor: median(rates.floor) };
}

/** Prints the table, keeps it as JSON under bench/results, and says whether every floor was reached. */
export function report(measurements: readonly Measurement[]): boolean {
  const rows = measurements.map(({ what, ratio, atLeast, detail }) => ({ what, ratio: ratio.toFixed(2), 'at least': atLeast.toFixed(2), holds: ratio >= atLeast ? 'yes' : 'NO', detail }));
  console.table(rows);
  const directory = new URL('results/', import.meta.url);
  mkdirSync(directory, { recursive: true });
  const at = new Date().toISOString();
  writeFileSync(new URL(`${at.replaceAll(':', '-')}.json`, directory), `${JSON.stringify({ at, node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, measurements }, null, 2)}\n`);
  return measurements.every(({ ratio, atLeast }) => ratio >= atLeast);
}
