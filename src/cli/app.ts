import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { App } from '../app.ts';
import { withCurrentDatabase } from './database.ts';
import { CommandFailed } from './failure.ts';
import { configFileOf } from './options.ts';

/**
 * The server put together as `start` does it, but not started, for commands that do what the HTTP interface does too: the same
 * use case, so that what follows from it (sessions that end, events, audit) follows here as well.
 */
export async function withApp<T>(command: Command, work: (app: App) => Promise<T>): Promise<T> {
  const { loadConfig, loadRegistration } = await import('../config/index.ts');
  const config = loadConfig({ file: configFileOf(command) });
  const path = config.security.key_ring;
  // The server makes a ring where there is none; made here, in the wrong place, it would not fit the database.
  if (!existsSync(path)) throw new CommandFailed(`there is no key ring at ${path} (security.key_ring): the server makes one when it starts for the first time`);
  const [{ buildApp }, { openHomeserver, version }, { systemClock: clock }, { requireFittingRing }, { createLog }, { openKeyRing }] = await Promise.all([
    import('../app.ts'),
    import('../main.ts'),
    import('../kernel/clock.ts'),
    import('../oauth/index.ts'),
    import('../operations/index.ts'),
    import('../security/key-ring.ts'),
  ]);
  return withCurrentDatabase(config, async (database) => {
    await requireFittingRing(path, database);
    const registration = loadRegistration(config.homeserver.registration);
    const homeserver = openHomeserver(config, registration);
    const app = buildApp({ config, registration, database, clock, log: createLog({ ...config.log, level: 'warn' }), keyRing: await openKeyRing({ path, clock }), homeserver, version });
    try {
      return await work(app);
    } finally {
      await app.stop();
      await homeserver.close();
    }
  });
}
