import { AsyncResource } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database as SqliteConnection } from 'better-sqlite3';
import knexFactory, { type Knex } from 'knex';
import { OpenTransactionClient, runStatement } from './sqlite-client.ts';

type Work = (sql: Knex, connection: SqliteConnection) => Promise<unknown>;

interface Pool {
  acquireConnection(): Promise<SqliteConnection>;
  releaseConnection(connection: SqliteConnection): Promise<void>;
}

interface Member {
  readonly work: Work;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads outside transactions wait for a group to end. */
const maxMembers = 16;

/**
 * Transactions of a SQLite database run one after another anyway, so those that wait for each other share a `COMMIT`, which is
 * the flush to the disk. Each is a savepoint: what one did is undone alone when it fails. None is told of its success before the
 * commit, so that a crash still loses nothing that was acknowledged.
 */
export class GroupCommit {
  readonly #pool: Pool;
  /** What members build their queries with. */
  readonly #sql: Knex;
  readonly #waiting: Member[] = [];
  #running = false;

  /** `sql` owns the one connection; `config` is what it was made with, but for its connection. */
  constructor(sql: Knex, config: Knex.Config) {
    this.#pool = sql.client as Pool;
    this.#sql = knexFactory({ ...config, client: OpenTransactionClient });
  }

  run<T>(work: (sql: Knex, connection: SqliteConnection) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // Whoever happens to lead the group, each member runs in its own caller's asynchronous context.
      this.#waiting.push({ work: AsyncResource.bind(work) as Work, resolve: resolve, reject });
      if (!this.#running) void this.#runAll();
    });
  }

  async #runAll(): Promise<void> {
    this.#running = true;
    for (let first = this.#waiting.shift(); first !== undefined; first = this.#waiting.shift()) await this.#runGroup(first);
    this.#running = false;
  }

  async #runGroup(first: Member): Promise<void> {
    const members = [first];
    const settle: (() => void)[] = [];
    try {
      const connection = await this.#pool.acquireConnection();
      try {
        await this.#commit(connection, members, settle);
      } finally {
        await this.#pool.releaseConnection(connection);
      }
    } catch (error) {
      for (const member of members) member.reject(error);
      return;
    }
    for (const tell of settle) tell();
  }

  async #commit(connection: SqliteConnection, members: Member[], settle: (() => void)[]): Promise<void> {
    const client = this.#sql.client as OpenTransactionClient;
    try {
      runStatement(connection, 'BEGIN IMMEDIATE', []);
      client.held = connection;
      await this.#runMembers(connection, members, settle);
      runStatement(connection, 'COMMIT', []);
    } finally {
      client.held = undefined;
      // Some failures, as of a full disk, have SQLite roll back by itself.
      if (connection.inTransaction) runStatement(connection, 'ROLLBACK', []);
    }
  }

  async #runMembers(connection: SqliteConnection, members: Member[], settle: (() => void)[]): Promise<void> {
    for (let member = members[0]; member !== undefined; member = members.length < maxMembers ? await this.#next() : undefined) {
      const { work, resolve } = member;
      if (settle.length === 0) {
        // What fails before any other has joined takes the whole transaction with it, and needs no savepoint.
        const value = await work(this.#sql, connection);
        settle.push(() => resolve(value as never));
      } else {
        members.push(member);
        settle.push(await runInSavepoint(this.#sql, connection, member));
      }
    }
  }

  /** Whoever waits, or comes within two turns of the event loop: what a request leads to takes more than one. */
  async #next(): Promise<Member | undefined> {
    for (let turn = 0; turn < 2 && this.#waiting.length === 0; turn += 1) await nextTurn();
    return this.#waiting.shift();
  }
}

/** Returns how to tell the member, once all is committed. Throws when the failure has ended the whole transaction. */
async function runInSavepoint(sql: Knex, connection: SqliteConnection, { work, resolve, reject }: Member): Promise<() => void> {
  runStatement(connection, 'SAVEPOINT member', []);
  try {
    const value = await work(sql, connection);
    runStatement(connection, 'RELEASE member', []);
    return () => resolve(value as never);
  } catch (error) {
    // A full disk and the like: SQLite has rolled everything back.
    if (!connection.inTransaction) throw error;
    runStatement(connection, 'ROLLBACK TO member', []);
    runStatement(connection, 'RELEASE member', []);
    return () => reject(error);
  }
}
