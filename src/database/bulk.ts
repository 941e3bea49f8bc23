import type { Queryable } from './database.ts';

/** Column name and type of each field; `text` and `bigint` mean the same on both databases. */
export type Columns<Row> = { readonly [Column in keyof Row & string]: 'text' | 'bigint' };

/**
 * Inserts any number of rows with one statement that is compiled once, whatever their number: the rows travel as one JSON
 * parameter. `conflict` is the whole `ON CONFLICT` clause, or empty. Returns how many rows were inserted.
 */
export async function insertRows<Row extends Record<string, string | number | null>>(
  db: Queryable,
  table: string,
  columns: Columns<Row>,
  rows: readonly Row[],
  conflict = '',
): Promise<number> {
  if (rows.length === 0) return 0;
  const names = Object.keys(columns);
  const list = names.join(', ');
  const text = JSON.stringify(rows);
  if (db.dialect === 'postgres') {
    const record = names.map((name) => `${name} ${columns[name as keyof typeof columns]}`).join(', ');
    const result = await db.sql.raw<{ rowCount: number }>(`INSERT INTO ${table} (${list}) SELECT ${list} FROM json_to_recordset(?::json) AS r(${record}) ${conflict}`, [text]);
    return result.rowCount;
  }
  const fields = names.map((name) => `value ->> '${name}'`).join(', ');
  // "WHERE true" keeps SQLite from reading ON CONFLICT as a join condition.
  const result = await db.sql.raw<{ changes: number }>(`INSERT INTO ${table} (${list}) SELECT ${fields} FROM json_each(?) WHERE true ${conflict}`, [text]);
  return result.changes;
}
