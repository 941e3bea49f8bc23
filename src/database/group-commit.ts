import { AsyncResource } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database as SqliteConnection } from 'better-sqlite3';
import type { Knex } from 'knex';
import { runStatement } from './sqlite-client.ts';

type Work = (sql: Knex.Transaction, connection: SqliteConnection) => Promise<unknown>;

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
  readonly #sql: Knex;
  readonly #waiting: Member[] = [];
  #running = false;

  constructor(sql: Knex) {
    this.#sql = sql;
  }

  run<T>(work: (sql: Knex.Transaction, connection: SqliteConnection) => Promise<T>): Promise<T> {
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
    let cause: unknown;
    try {
      await this.#sql.transaction((sql) => this.#runMembers(sql, members, settle).catch((error: unknown) => {
        // Where SQLite has rolled back by itself, knex's own attempt fails, and that says less.
        cause = error;
        throw error;
      }));
    } catch (error) {
      for (const member of members) member.reject(cause ?? error);
      return;
    }
    for (const tell of settle) tell();
  }

  async #runMembers(sql: Knex.Transaction, members: Member[], settle: (() => void)[]): Promise<void> {
    const connection = await (sql.client as { acquireConnection(): Promise<SqliteConnection> }).acquireConnection();
    for (let member = members[0]; member !== undefined; member = members.length < maxMembers ? await this.#next() : undefined) {
      const { work, resolve } = member;
      if (settle.length === 0) {
        // What fails before any other has joined takes the whole transaction with it, and needs no savepoint.
        const value = await work(sql, connection);
        settle.push(() => resolve(value as never));
      } else {
        members.push(member);
        settle.push(await runInSavepoint(sql, connection, member));
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
async function runInSavepoint(sql: Knex.Transaction, connection: SqliteConnection, { work, resolve, reject }: Member): Promise<() => void> {
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
