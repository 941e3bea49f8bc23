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
  const { openKeyRing, ringExists, ringPlaceOf } = await import('../security/key-ring.ts');
  const place = ringPlaceOf(config.security);
  // The server makes a ring where there is none; made here, in the wrong place, it would not fit the database.
  if (!ringExists(place)) throw new CommandFailed(`there is no key ring at ${place.path} (security.key_ring): the server makes one when it starts for the first time`);
  const [{ buildApp }, { openHomeserver, version }, { systemClock: clock }, { requireFittingRing }, { createLog }] = await Promise.all([
    import('../app.ts'),
    import('../main.ts'),
    import('../kernel/clock.ts'),
    import('../security/ring-fit.ts'),
    import('../operations/index.ts'),
  ]);
  return withCurrentDatabase(config, async (database) => {
    await requireFittingRing(place, database);
    const registration = loadRegistration(config.homeserver.registration);
    const homeserver = openHomeserver(config, registration);
    const app = buildApp({ config, registration, database, clock, log: createLog({ ...config.log, level: 'warn' }), keyRing: await openKeyRing({ ...place, clock }), homeserver, version });
    try {
      return await work(app);
    } finally {
      await app.stop();
      await homeserver.close();
    }
  });
}
