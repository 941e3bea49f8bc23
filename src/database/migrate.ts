import type { Knex } from 'knex';
import type { Database, Transaction } from './database.ts';
import { migrations, type Migration } from './migrations/index.ts';

/** Any number: PostgreSQL's advisory lock that lets one instance migrate while the others wait. */
const migrationLock = 7_467_370;

const source: Knex.MigrationSource<string> = {
  getMigrations: () => Promise.resolve(Object.keys(migrations)),
  getMigrationName: (name) => name,
  getMigration: (name) => Promise.resolve({ down: () => Promise.reject(new Error('migrations are not undone; restore a backup')), ...(migrations[name] as Migration) } as Knex.Migration),
};
const options: Knex.MigratorConfig = { migrationSource: source, tableName: 'schema_migration' };

/**
 * Brings the schema up to date and returns the names of the migrations that ran. All of them are one transaction, the
 * migrator's own lock row included: a process that dies here leaves nothing behind, and of two that start, one waits.
 */
export async function migrate(database: Database): Promise<string[]> {
  return database.inTransaction(migrateIn);
}

/** The same as part of a transaction. */
export async function migrateIn(tx: Transaction): Promise<string[]> {
  if (tx.dialect === 'postgres') await tx.sql.raw('SELECT pg_advisory_xact_lock(?)', [migrationLock]);
  const [, ran] = (await tx.sql.migrate.latest(options)) as [number, string[]];
  return ran;
}

export interface MigrationStatus {
  readonly name: string;
  /** `unknown` ones were run by a newer version: this one can't use the database. */
  readonly state: 'done' | 'pending' | 'unknown';
}

/** The migrations that this version knows or the database has, in order. */
export async function listMigrations(database: Database): Promise<MigrationStatus[]> {
  const known = Object.keys(migrations);
  const done = (await database.sql.schema.hasTable('schema_migration')) ? await database.sql<{ name: string }>('schema_migration').pluck('name') : [];
  return [
    ...known.map((name) => ({ name, state: done.includes(name) ? ('done' as const) : ('pending' as const) })),
    ...done.filter((name) => !known.includes(name)).map((name) => ({ name, state: 'unknown' as const })),
  ];
}

/** What a database that is not there yet would say. */
export const listMissingDatabase = (): MigrationStatus[] => Object.keys(migrations).map((name) => ({ name, state: 'pending' }));

/** Names of the migrations that this version knows and the database lacks. */
export async function pendingMigrations(database: Database): Promise<string[]> {
  return (await listMigrations(database)).filter(({ state }) => state === 'pending').map(({ name }) => name);
}
