/** One thing that is wrong with the configuration. Never carries the value of a secret. */
export interface ConfigProblem {
  /** The key, variable or file. */
  readonly key: string;
  readonly problem: string;
  readonly allowed: string;
}

const onOneLine = (text: string): string => text.replaceAll(/\p{Cc}+/gu, ' ');

/** Everything that is wrong with the configuration; the message has one line for each problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(({ key, problem, allowed }) => onOneLine(`${key}: ${problem}; allowed: ${allowed}`)).join('\n'));
    this.problems = problems;
  }
}

function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [i, left] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, right] of [...to].entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (left === right ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** The candidate that takes the fewest keystrokes to reach; the first of several. */
export function nearest(text: string, candidates: readonly string[]): string {
  // An unknown name of a megabyte must not cost a quadratic comparison.
  const name = text.slice(0, 200);
  const ranked = candidates.map((candidate) => ({ candidate, distance: editDistance(name, candidate) }));
  return ranked.reduce((best, other) => (other.distance < best.distance ? other : best)).candidate;
}

/** Why a file could not be read, in words and without its content. */
export function readFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  const words: Readonly<Record<string, string>> = { ENOENT: 'there is no such file', EACCES: 'permission denied', EISDIR: 'it is a directory' };
  return `cannot be read: ${words[code] ?? code}`;
}
