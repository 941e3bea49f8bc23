import type { Database, Queryable } from './database.ts';

/**
 * Reads everything as it was at one moment, without holding up those who write. On SQLite only for a process that does nothing
 * else with this database meanwhile: its one connection is in the snapshot.
 */
export async function inSnapshot<T>(database: Database, work: (db: Queryable) => Promise<T>): Promise<T> {
  if (database.dialect === 'postgres') {
    return database.inTransaction(async (tx) => {
      await tx.sql.raw('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
      return work(tx);
    });
  }
  await database.sql.raw('BEGIN');
  try {
    return await work({ sql: database.sql, dialect: database.dialect });
  } finally {
    await database.sql.raw('ROLLBACK');
  }
}
