import { join } from 'node:path';
import { migrate, openDatabase, type Database } from '../../src/database/index.ts';
import { requireOrSkip } from './availability.ts';
import { postgresAvailable, sharedPostgres } from './postgres.ts';
import { temporaryDirectory } from './temporary.ts';

export interface TestDatabase {
  readonly dialect: 'sqlite' | 'postgres';
  /** Money is kept by a wallet service of its own (`startWholeServer` starts one); by the embedded ledger when absent. */
  readonly wallet?: 'remote';
  /** URL of a new, empty database. */
  createUrl(): Promise<string>;
}

const POSTGRES_HOOK_TIMEOUT_MS = 60_000;

const sqlite: TestDatabase = { dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${join(temporaryDirectory('sqlite'), 'tmcp.db')}`) };

/** The same suite on SQLite and on PostgreSQL. `define` gets a maker of databases to use in its hooks and tests. */
export function onBothDatabases(title: string, define: (databases: TestDatabase) => void): void {
  describe(`${title} (SQLite)`, () => {
    define(sqlite);
  });
  describe(`${title} (PostgreSQL)`, () => {
    before(async function () {
      this.timeout(POSTGRES_HOOK_TIMEOUT_MS);
      requireOrSkip(this, await postgresAvailable());
      await sharedPostgres();
    });
    define({ dialect: 'postgres', createUrl: async () => (await sharedPostgres()).createDatabase() });
  });
}

/** SQLite with a wallet service in place of the embedded ledger. */
export const onWalletService: TestDatabase = { ...sqlite, wallet: 'remote' };

/** The same suite on both databases, with a wallet service in place of the embedded ledger. */
export function onEveryWalletService(title: string, define: (databases: TestDatabase) => void): void {
  onBothDatabases(title, (databases) => define({ ...databases, wallet: 'remote' }));
}

/** The same suite with the embedded ledger and with a wallet service in its place, each on both databases. */
export function onEveryWallet(title: string, define: (databases: TestDatabase) => void): void {
  onBothDatabases(title, define);
  onEveryWalletService(`${title}, wallet service`, define);
}

/** Opens a database of the suite, with the schema. The caller closes it. */
export async function openTestDatabase(databases: TestDatabase, url?: string): Promise<Database> {
  const database = openDatabase({ url: url ?? (await databases.createUrl()), poolSize: 10, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
  await migrate(database);
  return database;
}
