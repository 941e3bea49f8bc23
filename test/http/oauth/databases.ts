import { join } from 'node:path';
import { migrate, openDatabase, type Database } from '../../../src/database/index.ts';
import { requireOrSkip } from '../../support/availability.ts';
import { postgresAvailable, sharedPostgres } from '../../support/postgres.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

/** Opens one database, with the schema in place, as often as a test wants: each time is another process to it. */
export type OpenDatabase = () => Promise<Database>;

export interface DatabaseKind {
  readonly name: string;
  unavailable(): Promise<string | undefined>;
  create(): Promise<string>;
}

export const databaseKinds: readonly DatabaseKind[] = [
  { name: 'SQLite', unavailable: () => Promise.resolve(undefined), create: () => Promise.resolve(`sqlite:${join(temporaryDirectory('oauth'), 'test.db')}`) },
  { name: 'PostgreSQL', unavailable: () => postgresAvailable(), create: async () => (await sharedPostgres()).createDatabase() },
];

export const opener =
  (url: string): OpenDatabase =>
  async () => {
    const database = openDatabase({ url, poolSize: 8, busyTimeoutMs: 5_000, lockTimeoutMs: 5_000 });
    await migrate(database);
    return database;
  };

/** The same suite on every database. */
export function onEachDatabase(title: string, define: (fresh: () => Promise<OpenDatabase>) => void): void {
  for (const kind of databaseKinds) {
    describe(`${title} (${kind.name})`, function () {
      before(async function () {
        this.timeout(60_000);
        requireOrSkip(this, await kind.unavailable());
      });
      define(async () => opener(await kind.create()));
    });
  }
}
