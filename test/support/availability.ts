/** A suite that could not run here. */
export interface LeftOut {
  suite: string;
  reason: string;
}

const suites: LeftOut[] = [];

/** The suites left out so far, for the reporter. */
export function leftOut(): readonly LeftOut[] {
  return suites;
}

/**
 * In a `before` hook: skips the suite when there is a reason, naming both on the console. Under `CI=true` it fails instead,
 * so that nothing is left out unnoticed.
 *
 *     before(async function () {
 *       this.timeout(SYNAPSE_HOOK_TIMEOUT_MS);
 *       requireOrSkip(this, await synapseAvailable());
 *     });
 */
export function requireOrSkip(context: Mocha.Context, reason: string | undefined): void {
  if (reason === undefined) return;
  const suite = suiteOf(context);
  if (process.env.CI === 'true') throw new Error(`${suite} cannot run: ${reason}`);
  if (!suites.some((known) => known.suite === suite && known.reason === reason)) suites.push({ suite, reason });
  console.log(`      left out: ${suite}: ${reason}`);
  context.skip();
}

function suiteOf(context: Mocha.Context): string {
  return context.test?.parent?.titlePath().join(' › ') ?? 'A suite';
}
