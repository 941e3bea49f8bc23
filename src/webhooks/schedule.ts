const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

/** Section 9.1.2. */
const first = [secondMs, 5 * secondMs, 30 * secondMs, 2 * minuteMs, 5 * minuteMs];
/** For a server that is away for longer (decision D14). */
const slow = [15 * minuteMs, hourMs, 3 * hourMs];
const slowest = 6 * hourMs;

/** When the attempt after the `attempt`-th follows; undefined when there is none any more: it would come after `maxAgeMs`. */
export function nextAttemptAt({ attempt, createdAt, now, maxAgeMs }: { attempt: number; createdAt: number; now: number; maxAgeMs: number }): number | undefined {
  const at = now + ([...first, ...slow][attempt - 1] ?? slowest);
  return at - createdAt <= maxAgeMs ? at : undefined;
}

export type Verdict = 'delivered' | 'refused' | 'again';

/** The table of section 9.1.2: what is malformed or not authenticated does not get better by repetition. */
export function verdictOn(status: number): Verdict {
  if (status >= 200 && status < 300) return 'delivered';
  return status === 400 || status === 401 ? 'refused' : 'again';
}
