import type { Database as SqliteConnection } from 'better-sqlite3';
import type { Queryable } from './database.ts';
import { onlyReads, runStatement } from './sqlite-client.ts';

type Binding = string | number | null | Buffer | readonly string[];
type Client = { acquireConnection(): Promise<SqliteConnection>; releaseConnection(connection: SqliteConnection): Promise<void> };

/**
 * Runs one statement and returns its rows, on the transaction's own connection if `db` is one, and on the reading one if it may. On SQLite past knex's query
 * builder and its events, which cost several times what a small statement does: for the paths that every request takes.
 * `?` stands for a binding; a list of texts is one binding, to be read with `json_each(?)` on SQLite and `ANY(?)` on PostgreSQL.
 */
export async function runSql<Row = unknown>(db: Queryable, sql: string, bindings: readonly Binding[] = []): Promise<Row[]> {
  if (db.dialect === 'postgres') return (await db.sql.raw<{ rows: Row[] }>(sql, bindings as never)).rows;
  const values = bindings.map((value) => (Array.isArray(value) ? JSON.stringify(value) : value));
  if (db.connection !== undefined) return runStatement(db.connection, sql, values) as Row[];
  const reader = db.reader?.();
  if (reader !== undefined && onlyReads(reader, sql)) return runStatement(reader, sql, values) as Row[];
  const client = db.sql.client as Client;
  const connection = await client.acquireConnection();
  try {
    return runStatement(connection, sql, values) as Row[];
  } finally {
    await client.releaseConnection(connection);
  }
}
