import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import BetterSqlite3, { type Database as SqliteConnection } from 'better-sqlite3';
import knexFactory, { type Knex } from 'knex';
import type * as Pg from 'pg';
import { GroupCommit } from './group-commit.ts';
import { SqliteClient } from './sqlite-client.ts';

export type Dialect = 'sqlite' | 'postgres';

/** Something that runs SQL: the database itself or a transaction. Only repositories look inside. */
export interface Queryable {
  readonly sql: Knex;
  readonly dialect: Dialect;
  /** On SQLite, in a transaction: the connection that it has. */
  readonly connection?: SqliteConnection | undefined;
  /** On SQLite, outside of transactions: where what only reads may run without waiting for one. */
  readonly reader?: (() => SqliteConnection | undefined) | undefined;
}

type Hook = () => void | Promise<void>;

/** An open transaction. Nothing outside the database may be awaited while it is open. */
export interface Transaction extends Queryable {
  /** Runs as the last statements of this transaction, once for each `key`; in the order of `rank`, so that hooks which lock rows can't wait for each other in circles. */
  beforeCommit(key: object, hook: Hook, rank?: number): void;
  /** Runs once the transaction is durable; must not throw. */
  afterCommit(hook: () => void): void;
}

export interface Database extends Queryable {
  /**
   * Runs `work` in one transaction: the write lock is taken at the start on SQLite; on PostgreSQL it is READ COMMITTED and is
   * tried again, from the start, when the server reports a serialization failure or a deadlock. `work` must therefore do
   * nothing but database work and change nothing outside the transaction.
   */
  inTransaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Throws when the database does not answer. */
  check(): Promise<void>;
  /** Writes a consistent copy of a live SQLite database to `file`. Throws on PostgreSQL, whose own tools do this. */
  backup(file: string): Promise<void>;
  /** A connection outside of the pool, still to be connected. Only PostgreSQL has them. */
  readonly connectAlone: (() => Pg.Client) | undefined;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** `sqlite:PATH`, `sqlite::memory:` or `postgres://…` */
  readonly url: string;
  readonly poolSize: number;
  readonly busyTimeoutMs: number;
  readonly lockTimeoutMs: number;
}

const maxTries = 10;
/** serialization_failure, deadlock_detected */
const retriedSqlStates = new Set(['40001', '40P01']);
const int8Oid = 20;
const backupPagesPerStep = 1000;
/** 16 MiB. A page that many commits change is copied back once for all of them, in the commit that has the log full: four times as rarely as by default. */
const pagesBetweenCheckpoints = 4000;

const safeInteger = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} does not fit a JavaScript integer`);
  return value;
};

/** What goes wrong is thrown; the library's own lines would say it twice, past our log. */
const quiet: Knex.Logger = { warn() {}, error() {}, deprecate() {}, debug() {} };

/** Settings of every connection to a SQLite database. */
function prepareConnection(connection: SqliteConnection, options: DatabaseOptions): void {
  connection.pragma(`busy_timeout = ${options.busyTimeoutMs}`);
  connection.pragma('foreign_keys = ON');
  connection.pragma('trusted_schema = OFF');
}

/** A second connection, for reads: in WAL mode they see what was committed last and wait for nobody. */
function openReader(path: string, options: DatabaseOptions): SqliteConnection {
  const connection = new BetterSqlite3(path, { fileMustExist: true });
  prepareConnection(connection, options);
  connection.pragma('query_only = ON');
  return connection;
}

function openSqlite(path: string, options: DatabaseOptions): { readonly sql: Knex; readonly group: GroupCommit; readonly reader: () => SqliteConnection | undefined; readonly closeReader: () => void } {
  const inMemory = path === ':memory:';
  if (!inMemory) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let reader: SqliteConnection | undefined;
  const config: Knex.Config = { useNullAsDefault: true, log: quiet };
  const sql = knexFactory({
    ...config,
    client: SqliteClient,
    connection: { filename: path },
    // One connection: a transaction owns the database while it runs, so that none can interleave with another.
    pool: {
      min: 1,
      max: 1,
      afterCreate: (connection: SqliteConnection, done: (error: Error | null, connection: SqliteConnection) => void) => {
        prepareConnection(connection, options);
        connection.pragma('journal_mode = WAL');
        connection.pragma('synchronous = FULL');
        // Each savepoint and many a statement keep the pages that they change, to undo them: a temporary file for that takes as long as the statement.
        connection.pragma('temp_store = MEMORY');
        connection.pragma(`wal_autocheckpoint = ${pagesBetweenCheckpoints}`);
        if (!inMemory) reader ??= openReader(path, options);
        done(null, connection);
      },
    },
  });
  return { sql, group: new GroupCommit(sql, config), reader: () => reader, closeReader: () => reader?.close() };
}

/** Loaded when it is needed, as knex does with its drivers: a server on SQLite does without its memory. */
const loadPg = (): typeof Pg => createRequire(import.meta.url)('pg') as typeof Pg;
const connectTimeoutMs = 10_000;

function openPostgres(options: DatabaseOptions): Knex {
  const pg = loadPg();
  const getTypeParser = ((oid: number, format: 'text'): unknown => (oid === int8Oid ? safeInteger : pg.types.getTypeParser(oid, format))) as typeof pg.types.getTypeParser;
  return knexFactory({
    client: 'pg',
    log: quiet,
    connection: {
      connectionString: options.url,
      application_name: 'tmcp-server',
      lock_timeout: options.lockTimeoutMs,
      connectionTimeoutMillis: connectTimeoutMs,
      types: { getTypeParser },
    } as Knex.PgConnectionConfig,
    pool: { min: 0, max: options.poolSize },
  });
}

function transactionOf(sql: Knex, dialect: Dialect, connection: SqliteConnection | undefined) {
  const last = new Map<object, { readonly hook: Hook; readonly rank: number }>();
  const committed: (() => void)[] = [];
  let over = false;
  // What was not awaited must not slip into somebody else's transaction.
  const whileOpen = <T>(value: T): T => {
    if (over) throw new Error('the transaction is over');
    return value;
  };
  const tx: Transaction = {
    dialect,
    get sql() {
      return whileOpen(sql);
    },
    get connection() {
      return whileOpen(connection);
    },
    beforeCommit: (key, hook, rank = 0) => {
      if (!last.has(key)) last.set(key, { hook, rank });
    },
    afterCommit: (hook) => void committed.push(hook),
  };
  const runLast = async (): Promise<void> => {
    const ran = new Set<object>();
    // A hook may ask for one of a higher rank, as who queues work does.
    for (;;) {
      const [next] = [...last].filter(([key]) => !ran.has(key)).sort(([, a], [, b]) => a.rank - b.rank);
      if (next === undefined) return;
      ran.add(next[0]);
      await next[1].hook();
    }
  };
  const end = (): void => {
    over = true;
  };
  return { tx, runLast, end, committed };
}

/** Opens the database; connections are made when they are first needed. Throws a TypeError for any other URL form. */
export function openDatabase(options: DatabaseOptions): Database {
  const isSqlite = options.url.startsWith('sqlite:');
  if (!isSqlite && !/^postgres(ql)?:\/\//.test(options.url)) throw new TypeError('database.url: must be sqlite:PATH or postgres://…');
  const dialect: Dialect = isSqlite ? 'sqlite' : 'postgres';
  const { sql, group, reader, closeReader } = isSqlite ? openSqlite(options.url.slice('sqlite:'.length), options) : { sql: openPostgres(options) };

  const begin = <T>(work: (trx: Knex, connection?: SqliteConnection) => Promise<T>): Promise<T> => (group === undefined ? sql.transaction((trx) => work(trx)) : group.run(work));

  const once = async <T>(work: (tx: Transaction) => Promise<T>): Promise<T> => {
    let afterwards: (() => void)[] = [];
    const result = await begin(async (trx, connection) => {
      const { tx, runLast, end, committed } = transactionOf(trx, dialect, connection);
      try {
        const value = await work(tx);
        await runLast();
        afterwards = committed;
        return value;
      } finally {
        end();
      }
    });
    for (const hook of afterwards) hook();
    return result;
  };

  return {
    sql,
    dialect,
    reader,
    async inTransaction(work) {
      for (let tried = 1; ; tried += 1) {
        try {
          return await once(work);
        } catch (error) {
          const sqlState = (error as { code?: unknown }).code;
          if (tried >= maxTries || typeof sqlState !== 'string' || !retriedSqlStates.has(sqlState)) throw error;
        }
      }
    },
    async check() {
      await sql.raw('SELECT 1');
    },
    async backup(file) {
      if (!isSqlite) throw new Error('back up PostgreSQL with pg_dump or a base backup');
      const client = sql.client as { acquireConnection(): Promise<SqliteConnection>; releaseConnection(c: SqliteConnection): Promise<void> };
      const connection = await client.acquireConnection();
      try {
        // Without a read transaction that stays at one state, each commit of another process starts the copy over, for ever.
        connection.exec('BEGIN; SELECT count(*) FROM sqlite_schema');
        await connection.backup(file, { progress: () => backupPagesPerStep });
      } finally {
        if (connection.inTransaction) connection.exec('ROLLBACK');
        await client.releaseConnection(connection);
      }
    },
    connectAlone: isSqlite ? undefined : () => new (loadPg().Client)({ connectionString: options.url, application_name: 'tmcp-server wakes', connectionTimeoutMillis: connectTimeoutMs, keepAlive: true }),
    async close() {
      await sql.destroy();
      closeReader?.();
    },
  };
}
