import type { Config } from '../config/index.ts';
import { openDatabase, type Database } from './database.ts';

/** The file of an SQLite database; undefined for PostgreSQL. */
export const sqlitePathOf = (url: string): string | undefined => (url.startsWith('sqlite:') ? url.slice('sqlite:'.length) : undefined);

/** Opens the database that the configuration names. */
export function openConfiguredDatabase({ database }: Pick<Config, 'database'>): Database {
  return openDatabase({ url: database.url, poolSize: database.pool_size, busyTimeoutMs: database.busy_timeout_ms, lockTimeoutMs: database.lock_timeout_ms });
}
