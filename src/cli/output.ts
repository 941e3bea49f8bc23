import { isoTime } from '../kernel/clock.ts';

/** The answer of a command, on standard output. */
export const print = (text: string): void => void process.stdout.write(`${text}\n`);

export const printJson = (answer: unknown): void => print(JSON.stringify(answer, null, 2));

/** Everything that is not the answer, on standard error. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Rows below their headings, in columns as wide as their content; prints nothing when there are no rows. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  if (rows.length === 0) return;
  const lines = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  for (const line of lines) print(line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd());
}

/** For people and JSON alike: without milliseconds. */
export const shownTime = (timeMs: number): string => isoTime(timeMs).replace(/\.\d+Z$/, 'Z');

/** `1 job`, `2 jobs` */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
