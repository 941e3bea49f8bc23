import BetterSqlite3 from 'better-sqlite3';

/**
 * Makes this process the only server on an SQLite file, until it ends in whatever way: the operating system drops the lock.
 * Command-line tools may still use the database beside it. Throws when another server has it.
 */
export function lockSqliteForServer(databasePath: string): { release(): void } {
  const lock = new BetterSqlite3(`${databasePath}.server-lock`, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw new Error(`another tmcp-server is running on ${databasePath}; several instances need PostgreSQL (database.url)`, { cause: error });
  }
  return { release: () => void lock.close() };
}
