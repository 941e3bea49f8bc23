import { existsSync } from 'node:fs';
import type { Config } from '../config/index.ts';
import type { Database } from '../database/index.ts';
import { CommandFailed } from './failure.ts';

/**
 * Opens the database for `work` and closes it again. Unlike the server it never makes an SQLite file: a command that was
 * given the wrong configuration would leave an empty one behind.
 */
export async function withDatabase<T>(config: Config, work: (database: Database) => Promise<T>): Promise<T> {
  const { openConfiguredDatabase, sqlitePathOf } = await import('../database/index.ts');
  const path = sqlitePathOf(config.database.url);
  if (path !== undefined && !existsSync(path)) {
    throw new CommandFailed(`there is no database at ${path} (database.url)\nIf there should be one, give the server's configuration file with -c. If it is still to be made: start the server, or run "tmcp migrate".`);
  }
  const database = openConfiguredDatabase(config);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** As `withDatabase`, for work that needs the tables of this version. */
export async function withCurrentDatabase<T>(config: Config, work: (database: Database) => Promise<T>): Promise<T> {
  const { pendingMigrations } = await import('../database/index.ts');
  return withDatabase(config, async (database) => {
    const pending = await pendingMigrations(database);
    if (pending.length > 0) throw new CommandFailed(`the database lacks ${pending.join(', ')}: run "tmcp migrate" or start this version of the server`);
    return work(database);
  });
}
