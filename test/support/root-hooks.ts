import { runShutdown } from './shutdown.ts';

const PATIENCE_MS = 30_000;

/** Mocha's root hooks: what suites share, or forgot to stop, is stopped at the end; what keeps this process alive even then is named. */
export const mochaHooks: Mocha.RootHookObject = {
  async afterAll(this: Mocha.Context) {
    this.timeout(60_000);
    await runShutdown();
    setTimeout(() => {
      console.error(`A test has left something running, and this process with it: ${process.getActiveResourcesInfo().join(', ')}`);
      // Mocha's own listener says how the tests ended; this one says that they were not tidy.
      process.on('exit', () => (process.exitCode = 1));
      process.exit();
    }, PATIENCE_MS).unref();
  },
};
