import { createHash } from 'node:crypto';
import type { Queryable, Transaction } from './database.ts';
import { migrateIn } from './migrate.ts';
import { runSql } from './statements.ts';

type Value = string | number | null | Buffer;
type Row = Readonly<Record<string, Value>>;

export interface CopiedTable {
  readonly table: string;
  readonly rows: number;
  /** Over all rows, whatever their order; as hex. */
  readonly checksum: string;
}

/** What is wrong with a copy, or keeps one from being made, in words for who asked for it. */
export class CopyRefused extends Error {
  override readonly name = 'CopyRefused';
}

/** The migrator's own, which the target has from its own migrations. */
const isMigrators = (table: string): boolean => table.startsWith('schema_migration');
/** Values may have a mebibyte each. */
const pageRows = 50;
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The same value on both databases; only one of them has booleans. */
function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return { bytes: value.toString('base64') };
  return typeof value === 'boolean' ? Number(value) : (value ?? null);
}

/** Sums hashes of rows, so that the order in which they are read does not matter. */
class Checksum {
  #sum = 0n;
  rows = 0;

  add(row: Row, columns: readonly string[]): void {
    const text = JSON.stringify(columns.map((column) => plain(row[column])));
    this.#sum = (this.#sum + createHash('sha256').update(text).digest().readBigUInt64BE()) % 2n ** 64n;
    this.rows += 1;
  }

  hex(): string {
    return this.#sum.toString(16).padStart(16, '0');
  }
}

/** Tables in an order in which each comes behind those that it refers to. */
async function tablesInOrder(source: Queryable): Promise<string[]> {
  const names = (await runSql<{ name: string }>(source, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)).map(({ name }) => name).filter((name) => !isMigrators(name) && !isSearch(name));
  const ordered: string[] = [];
  const place = async (table: string): Promise<void> => {
    if (ordered.includes(table)) return;
    const references = await runSql<{ table: string }>(source, `SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)`, [table]);
    for (const reference of references) if (reference.table !== table) await place(reference.table);
    if (!ordered.includes(table)) ordered.push(table);
  };
  for (const name of names) await place(name);
  return ordered;
}

/** Each database searches texts in a way of its own: columns of the one that the other has not. */
const searched: Readonly<Record<string, readonly string[]>> = { catalog_entry: ['search', 'search_id'] };
/** SQLite's search, whose tables PostgreSQL has none of. */
const isSearch = (table: string): boolean => table.startsWith('catalog_search');

async function columnsOf(source: Queryable, target: Transaction, table: string): Promise<string[]> {
  const here = (await runSql<{ name: string }>(source, 'SELECT name FROM pragma_table_info(?)', [table])).map(({ name }) => name).sort();
  const there = (await runSql<{ name: string }>(target, 'SELECT column_name AS name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ?', [table])).map(({ name }) => name).sort();
  const ofOne = searched[table] ?? [];
  const common = here.filter((column) => !ofOne.includes(column));
  if (common.join() !== there.filter((column) => !ofOne.includes(column)).join()) throw new CopyRefused(`${table} has other columns in the target: is it of the same version?`);
  return common;
}

async function insertPage(target: Transaction, table: string, columns: readonly string[], rows: readonly Row[]): Promise<void> {
  const values = rows.map(() => `(${columns.map(() => '?').join(', ')})`).join(', ');
  try {
    await target.sql.raw(`INSERT INTO ${quoted(table)} (${columns.map(quoted).join(', ')}) VALUES ${values}`, rows.flatMap((row) => columns.map((column) => row[column] ?? null)) as never);
  } catch (error) {
    throw new CopyRefused(`a row of ${table} does not go into the target: ${error instanceof Error ? error.message.split(' - ').at(-1) : String(error)}`, { cause: error });
  }
}

/** In the order in which rows were written: those that refer to others of their table come behind them. */
async function copyTable(source: Queryable, target: Transaction, table: string, columns: readonly string[]): Promise<Checksum> {
  const checksum = new Checksum();
  const [kind] = await runSql<{ wr: number }>(source, `SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?`, [table]);
  const list = columns.map(quoted).join(', ');
  // A table without row numbers is kept in the order of its primary key.
  const read = (after: number, done: number): Promise<(Row & { row_id?: number })[]> =>
    kind?.wr === 1
      ? runSql(source, `SELECT ${list} FROM ${quoted(table)} LIMIT ? OFFSET ?`, [pageRows, done])
      : runSql(source, `SELECT rowid AS row_id, ${list} FROM ${quoted(table)} WHERE rowid > ? ORDER BY rowid LIMIT ?`, [after, pageRows]);
  for (let after = 0, done = 0; ; done += pageRows) {
    const rows = await read(after, done);
    if (rows.length === 0) return checksum;
    for (const row of rows) checksum.add(row, columns);
    await insertPage(target, table, columns, rows);
    after = rows.at(-1)?.row_id ?? 0;
  }
}

/** Reads back what was written, as the database gives it. */
async function checksumOf(target: Transaction, table: string, columns: readonly string[]): Promise<Checksum> {
  const checksum = new Checksum();
  await target.sql.raw(`DECLARE copied NO SCROLL CURSOR FOR SELECT ${columns.map(quoted).join(', ')} FROM ${quoted(table)}`);
  for (;;) {
    const rows = await runSql<Row>(target, `FETCH ${pageRows} FROM copied`);
    if (rows.length === 0) break;
    for (const row of rows) checksum.add(row, columns);
  }
  await target.sql.raw('CLOSE copied');
  return checksum;
}

/** Numbers that the database gives out itself go on behind those that are there. */
async function continueSequences(target: Transaction): Promise<void> {
  const serials = await runSql<{ table_name: string; column_name: string }>(target, `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() AND column_default LIKE 'nextval(%'`);
  for (const { table_name: table, column_name: column } of serials) {
    if (isMigrators(table)) continue;
    await target.sql.raw(`SELECT setval(pg_get_serial_sequence(?, ?), (SELECT COALESCE(MAX(${quoted(column)}), 0) + 1 FROM ${quoted(table)}), false)`, [quoted(table), column]);
  }
}

/**
 * Copies all tables of an SQLite database into an empty PostgreSQL one, in the target's transaction: all of it or nothing. Every
 * table is read back, and counted and summed against what was read here. Nothing else may write to the source meanwhile.
 * @throws CopyRefused when the target is not empty, of another version, or not what was copied
 */
export async function copyDatabase(source: Queryable, target: Transaction): Promise<CopiedTable[]> {
  if (source.dialect !== 'sqlite' || target.dialect !== 'postgres') throw new CopyRefused('only SQLite is copied, and only to PostgreSQL');
  const there = await runSql<{ table_name: string }>(target, 'SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() LIMIT 1');
  if (there.length > 0) throw new CopyRefused(`the target is not empty: it has a table ${there[0]!.table_name}`);
  await migrateIn(target);
  const copied: CopiedTable[] = [];
  const tables = await tablesInOrder(source);
  for (const [index, table] of tables.entries()) {
    const columns = await columnsOf(source, target, table);
    const sent = await copyTable(source, target, table, columns);
    const found = await checksumOf(target, table, columns);
    if (found.rows !== sent.rows || found.hex() !== sent.hex()) throw new CopyRefused(`${table} is not the same in the target: ${sent.rows} rows with checksum ${sent.hex()} became ${found.rows} with ${found.hex()}`);
    copied.push({ table, rows: sent.rows, checksum: sent.hex() });
    // Triggers of the target have made rows of their own for the mini-apps: what comes is what the source has.
    if (table === 'miniapp') for (const later of tables.slice(index + 1).filter((name) => name.startsWith('catalog_')).reverse()) await runSql(target, `DELETE FROM ${quoted(later)}`);
  }
  await runSql(target, 'UPDATE catalog_entry SET search = catalog_text(miniapp) FROM miniapp WHERE miniapp.miniapp_id = catalog_entry.miniapp_id');
  await continueSequences(target);
  return copied;
}
