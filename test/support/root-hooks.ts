import { runShutdown } from './shutdown.ts';

/** Mocha's root hooks: what suites share, or forgot to stop, is stopped at the end. */
export const mochaHooks: Mocha.RootHookObject = {
  async afterAll(this: Mocha.Context) {
    this.timeout(60_000);
    await runShutdown();
  },
};
