export { openDatabase, type Database, type DatabaseOptions, type Queryable, type Transaction } from './database.ts';
export { createWakes, type SharedWakes } from './wakes.ts';
export { insertRows } from './bulk.ts';
export { runSql } from './statements.ts';
export { lockSqliteForServer } from './server-lock.ts';
export { openConfiguredDatabase, sqlitePathOf } from './configured.ts';
export { finishSqliteCopy } from './sqlite-copy.ts';
export { listMigrations, listMissingDatabase, migrate, pendingMigrations, type MigrationStatus } from './migrate.ts';
export { inSnapshot } from './snapshot.ts';
