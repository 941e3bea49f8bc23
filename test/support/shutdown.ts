/** What a test run must put away at its end: services that suites share or forgot to stop. */

const steps: (() => Promise<void>)[] = [];

/** Remembers a step for the end of the run. Steps run last-in first-out and must tolerate having nothing left to do. */
export function atEnd(step: () => Promise<void>): void {
  steps.push(step);
}

/** Runs every remembered step, even when some fail, then reports the failures together. */
export async function runShutdown(): Promise<void> {
  const failures: unknown[] = [];
  for (let step = steps.pop(); step; step = steps.pop()) {
    try {
      await step();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, `Shared test services did not stop cleanly: ${failures.map((failure) => (failure instanceof Error ? failure.message : String(failure))).join('; ')}`);
}
