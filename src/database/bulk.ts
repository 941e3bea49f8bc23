import type { Database as SqliteConnection } from 'better-sqlite3';
import type { Transaction } from './database.ts';
import { runForEach } from './sqlite-client.ts';

/** Column name and type of each field; `text` and `bigint` mean the same on both databases. */
export type Columns<Row> = { readonly [Column in keyof Row & string]: 'text' | 'bigint' };

/**
 * Inserts any number of rows with a statement that is compiled once, whatever their number: on PostgreSQL one round trip, with
 * the rows as one JSON parameter. `conflict` is the whole `ON CONFLICT` clause, or empty. Returns how many rows were inserted.
 */
export async function insertRows<Row extends Record<string, string | number | null>>(tx: Transaction, table: string, columns: Columns<Row>, rows: readonly Row[], conflict = ''): Promise<number> {
  if (rows.length === 0) return 0;
  const names = Object.keys(columns);
  const list = names.join(', ');
  if (tx.dialect === 'sqlite') {
    const connection = tx.connection ?? await (tx.sql.client as { acquireConnection(): Promise<SqliteConnection> }).acquireConnection();
    const values = rows.map((row) => names.map((name) => row[name] ?? null));
    return runForEach(connection, `INSERT INTO ${table} (${list}) VALUES (${names.map(() => '?').join(', ')}) ${conflict}`, values);
  }
  const record = names.map((name) => `${name} ${columns[name as keyof typeof columns]}`).join(', ');
  const result = await tx.sql.raw<{ rowCount: number }>(`INSERT INTO ${table} (${list}) SELECT ${list} FROM json_to_recordset(?::json) AS r(${record}) ${conflict}`, [JSON.stringify(rows)]);
  return result.rowCount;
}
