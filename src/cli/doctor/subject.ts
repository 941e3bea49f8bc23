import { existsSync } from 'node:fs';
import type { Config, Registration } from '../../config/index.ts';
import { openConfiguredDatabase, pendingMigrations, sqlitePathOf, type Database } from '../../database/index.ts';
import { messageOf } from '../failure.ts';
import { createProbe, type Probe } from './probe.ts';

/** The database as the checks find it. An SQLite file that is not there is not made. */
export type DatabaseState =
  | { readonly state: 'missing' }
  | { readonly state: 'unusable'; readonly problem: string }
  | { readonly state: 'open'; readonly database: Database; readonly pending: readonly string[] };

/** What the checks look at. */
export interface Subject {
  readonly config: Config;
  /** Undefined when it can't be used. */
  readonly registration: Registration | undefined;
  /** For people: without credentials. */
  readonly databaseName: string;
  readonly sqlitePath: string | undefined;
  readonly database: DatabaseState;
  readonly probe: Probe;
}

function nameOf(url: string): string {
  const path = sqlitePathOf(url);
  if (path !== undefined) return path;
  const parsed = URL.parse(url);
  return `PostgreSQL${parsed === null ? '' : ` ${parsed.pathname.slice(1)} at ${parsed.host === '' ? 'a socket' : parsed.host}`}`;
}

async function openDatabase(config: Config, sqlitePath: string | undefined): Promise<{ state: DatabaseState; close: () => Promise<void> }> {
  if (sqlitePath !== undefined && !existsSync(sqlitePath)) return { state: { state: 'missing' }, close: async () => {} };
  const database = openConfiguredDatabase(config);
  const close = (): Promise<void> => database.close();
  try {
    await database.check();
    return { state: { state: 'open', database, pending: await pendingMigrations(database) }, close };
  } catch (error) {
    return { state: { state: 'unusable', problem: error instanceof Error ? messageOf(error) : String(error) }, close };
  }
}

/** Opens what the checks need, for as long as they run. */
export async function withSubject<T>(config: Config, registration: Registration | undefined, work: (subject: Subject) => Promise<T>): Promise<T> {
  const sqlitePath = sqlitePathOf(config.database.url);
  const { state, close } = await openDatabase(config, sqlitePath);
  try {
    return await work({ config, registration, sqlitePath, databaseName: nameOf(config.database.url), database: state, probe: createProbe(config, registration) });
  } finally {
    await close();
  }
}
