/**
 * Preloaded into a server process (`NODE_OPTIONS=--import=…/crash-at.ts`) by {@link prepareCrashingServer}: kills or stops it at the
 * point that the file of `CRASH_AT_FILE` names, `SIGNAL POINT OF`. Nothing of the server knows: drivers of the databases and Node's HTTP
 * are watched from outside.
 */
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, rmSync } from 'node:fs';
import { ServerResponse, type ClientRequest, type IncomingMessage } from 'node:http';
import BetterSqlite3, { type Database, type Statement } from 'better-sqlite3';
import pg from 'pg';

const file = process.env.CRASH_AT_FILE;

function armed(): readonly string[] {
  try {
    return readFileSync(file!, 'utf8').split(' ');
  } catch {
    return [];
  }
}

/** Dies if this is the point; whatever is called next does not happen, or later. */
function pass(point: string, isOf: (of: string) => boolean): void {
  const [signal, armedPoint, of] = armed();
  if (armedPoint !== point || of === undefined || !isOf(of)) return;
  // Once: whoever is started again goes on.
  rmSync(file!);
  process.kill(process.pid, signal);
}

/** Tables that each open transaction has written to, by connection. */
const written = new WeakMap<object, Set<string>>();

/** Notices what a statement writes. Returns, for one that commits, what it commits. */
function follow(connection: object, sql: string): ReadonlySet<string> | undefined {
  const table = /^\s*(?:insert(?: or \w+)? into|update|delete from)\s+[`"]?(\w+)/i.exec(sql)?.[1];
  const tables = written.get(connection) ?? new Set<string>();
  if (table !== undefined) written.set(connection, tables.add(table));
  if (!/^\s*(commit|rollback(?! to))/i.test(sql)) return undefined;
  written.delete(connection);
  return /^\s*commit/i.test(sql) ? tables : undefined;
}

const commits = (point: 'before-commit' | 'after-commit', tables: ReadonlySet<string> | undefined): void => {
  if (tables !== undefined) pass(point, (of) => tables.has(of));
};

function watchSqlite(): void {
  const connection = new BetterSqlite3(':memory:');
  const prototype = Object.getPrototypeOf(connection.prepare('SELECT 1')) as Record<'run' | 'all' | 'get', (this: Statement & { database: Database }, ...bindings: unknown[]) => unknown>;
  connection.close();
  for (const name of ['run', 'all', 'get'] as const) {
    const real = prototype[name];
    prototype[name] = function (...bindings) {
      const tables = follow(this.database, this.source);
      commits('before-commit', tables);
      const result = real.apply(this, bindings);
      commits('after-commit', tables);
      return result;
    };
  }
}

function watchPostgres(): void {
  type Query = (this: pg.Client, ...parts: unknown[]) => unknown;
  const prototype = pg.Client.prototype as unknown as { query: Query };
  const real = prototype.query;
  prototype.query = function (...parts) {
    const [query, , last] = [parts[0], parts[1], parts.at(-1)];
    const text = typeof query === 'string' ? query : (query as { text?: unknown } | undefined)?.text;
    const tables = typeof text === 'string' ? follow(this, text) : undefined;
    commits('before-commit', tables);
    // knex waits by a callback.
    if (tables !== undefined && typeof last === 'function') {
      const told = (...answer: unknown[]): unknown => {
        commits('after-commit', tables);
        return (last as (...answer: unknown[]) => unknown)(...answer);
      };
      return real.apply(this, [...parts.slice(0, -1), told]);
    }
    return real.apply(this, parts);
  };
}

/** Answers leave when they are ended: their heads wait for that. */
function watchReplies(): void {
  type End = (this: ServerResponse & { req: IncomingMessage & { originalUrl?: string } }, ...parts: unknown[]) => ServerResponse;
  const prototype = ServerResponse.prototype as unknown as { end: End };
  const real = prototype.end;
  prototype.end = function (...parts) {
    const url = this.req.originalUrl ?? this.req.url ?? '';
    pass('before-reply', (of) => url.startsWith(of));
    return real.apply(this, parts);
  };
}

/** Requests by Node's own client go to the homeserver; those by undici go everywhere else. */
function watchCalls(): void {
  interface Undici { readonly origin: string | URL; readonly path: string }
  const before = (url: string): void => pass('before-call', (of) => url.includes(of));
  const after = (url: string): void => pass('after-call', (of) => url.includes(of));
  const ofNode = ({ protocol, host, path }: ClientRequest): string => `${protocol}//${host}${decodeURIComponent(path)}`;
  const ofUndici = ({ origin, path }: Undici): string => `${String(origin)}${decodeURIComponent(path)}`;
  subscribe('http.client.request.created', (message) => before(ofNode((message as { request: ClientRequest }).request)));
  subscribe('http.client.response.finish', (message) => after(ofNode((message as { request: ClientRequest }).request)));
  subscribe('undici:request:create', (message) => before(ofUndici((message as { request: Undici }).request)));
  subscribe('undici:request:headers', (message) => after(ofUndici((message as { request: Undici }).request)));
}

if (file !== undefined) {
  watchSqlite();
  watchPostgres();
  watchReplies();
  watchCalls();
}
