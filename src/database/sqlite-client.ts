import type { Database as Connection, Statement } from 'better-sqlite3';
import { LRUCache } from 'lru-cache';
// knex's own dialect class: not public API, which is why knex is pinned exactly.
import BetterSqlite3Client from 'knex/lib/dialects/better-sqlite3/index.js';

interface Query {
  sql: string;
  bindings?: readonly unknown[];
  response?: unknown;
  context?: unknown;
}

const maxCachedStatements = 500;
const statements = new WeakMap<Connection, LRUCache<string, Statement>>();

function statementsOf(connection: Connection): LRUCache<string, Statement> {
  const cache = new LRUCache<string, Statement>({ max: maxCachedStatements, memoMethod: (sql) => connection.prepare(sql) });
  statements.set(connection, cache);
  return cache;
}

/** A compiled statement: knex itself compiles each query anew. */
const prepared = (connection: Connection, sql: string): Statement => (statements.get(connection) ?? statementsOf(connection)).memo(sql);

/**
 * knex's better-sqlite3 dialect with two differences: a transaction takes the write lock when it begins (`BEGIN IMMEDIATE`),
 * so that a read that a later write relies on can't be outdated by another process; and statements are compiled once.
 */
export class SqliteClient extends BetterSqlite3Client {
  _query(connection: Connection, query: Query): Promise<Query> {
    const sql = query.sql === 'BEGIN;' ? 'BEGIN IMMEDIATE;' : query.sql;
    const statement = prepared(connection, sql);
    const bindings = (query.bindings ?? []).map((value) => (typeof value === 'boolean' || value instanceof Date ? Number(value) : value));
    if (statement.reader) {
      query.response = statement.all(bindings);
    } else {
      const result = statement.run(bindings);
      query.response = result;
      query.context = { lastID: result.lastInsertRowid, changes: result.changes };
    }
    return Promise.resolve(query);
  }
}

/**
 * Runs what knex builds on the connection of the transaction that is open, without a knex transaction around it: to make one, with
 * its clone of the client and its listeners, takes longer than a small transaction's own statements.
 */
export class OpenTransactionClient extends SqliteClient {
  /** Undefined between transactions: what comes then is refused. */
  held: Connection | undefined;
  /** knex's sign that a transaction is open, so that one within it, as each migration is, is a savepoint. */
  readonly transacting = true;

  /** None of its own. */
  override initializePool(): void {}

  override acquireConnection(): Promise<Connection> {
    return this.held === undefined ? Promise.reject(new Error('the transaction is over')) : Promise.resolve(this.held);
  }

  override releaseConnection(): Promise<void> {
    return Promise.resolve();
  }
}

/** Runs one statement and returns its rows, if it is one that has any. */
export function runStatement(connection: Connection, sql: string, bindings: readonly unknown[]): unknown[] {
  const statement = prepared(connection, sql);
  if (statement.reader) return statement.all(bindings);
  statement.run(bindings);
  return [];
}

/** Whether the statement changes nothing. */
export const onlyReads = (connection: Connection, sql: string): boolean => prepared(connection, sql).readonly;

/** Runs one statement for each of many rows on a transaction's own connection: knex's way through each query costs more than SQLite's. */
export function runForEach(connection: Connection, sql: string, rows: readonly (readonly (string | number | null)[])[]): number {
  const statement = prepared(connection, sql);
  let changes = 0;
  for (const row of rows) changes += statement.run(row).changes;
  return changes;
}
