import { call, exchange, type ApiResponse } from '../../support/api.ts';
import type { TestDatabase } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

export const alice = '@alice:example.org';
export const bob = '@bob:example.org';

/** A user of one mini-app, as its requests see it. */
export interface Client {
  readonly token: string;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<ApiResponse>;
  put(key: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<ApiResponse>;
  delete(key: string, body?: unknown, headers?: Readonly<Record<string, string>>, query?: string): Promise<ApiResponse>;
  post(path: string, body: unknown): Promise<ApiResponse>;
}

const base = '/api/v1/storage';

export function clientWith(url: string, token: string): Client {
  return {
    token,
    get: (path, headers = {}) => call(url, 'GET', `${base}${path}`, { token, headers }),
    put: (key, body, headers = {}) => call(url, 'PUT', `${base}/${encodeURIComponent(key)}`, { token, body, headers }),
    delete: (key, body, headers = {}, query = '') => call(url, 'DELETE', `${base}/${encodeURIComponent(key)}${query}`, { token, body, headers }),
    post: (path, body) => call(url, 'POST', `${base}${path}`, { token, body }),
  };
}

export interface StorageServer extends WholeServer {
  /** Signs a user in to a mini-app, by token exchange. */
  client(user: 'alice' | 'bob', app: string, scope?: string): Promise<Client>;
  /** An app that nobody has used. */
  newApp(): Promise<string>;
}

let apps = 0;

/** The whole server with two people. */
export async function startStorageServer(databases: TestDatabase, env: Readonly<Record<string, string>> = {}): Promise<StorageServer> {
  const server = await startWholeServer(databases, env);
  server.identity.whoami.set('syt_alice', { user_id: alice, is_guest: false });
  server.identity.whoami.set('syt_bob', { user_id: bob, is_guest: false });
  return {
    ...server,
    async newApp() {
      apps += 1;
      const id = `ma_app${apps}`;
      const scopes_requested = ['storage:read', 'storage:write'];
      await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: id, name: id, category: 'tools', classification: 'community', technical: { entry_url: 'https://a.example', scopes_requested } } });
      await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
      return id;
    },
    async client(user, app, scope) {
      const { status, body } = await exchange(server.url, `syt_${user}`, { client_id: app, ...(scope === undefined ? {} : { scope }) });
      if (status !== 200) throw new Error(`token exchange answered ${status}: ${JSON.stringify(body)}`);
      return clientWith(server.url, body.access_token as string);
    },
  };
}

/** What the counters must be, counted anew. */
export async function recount(server: Pick<WholeServer, 'database'>): Promise<{ bytes: number; keys: number; counted_bytes: number; counted_keys: number }[]> {
  const rows = await server.database
    .sql('storage_space as s')
    .leftJoin('storage_entry as e', (join) => void join.on('e.space_id', 's.id').andOnNull('e.deleted_at'))
    .groupBy('s.id', 's.bytes', 's.keys')
    .select<Record<string, number | string>[]>('s.bytes', 's.keys', server.database.sql.raw('COALESCE(SUM(e.bytes), 0) AS counted_bytes'), server.database.sql.raw('COUNT(e.key) AS counted_keys'));
  return rows.map((row) => ({ bytes: Number(row.bytes), keys: Number(row.keys), counted_bytes: Number(row.counted_bytes), counted_keys: Number(row.counted_keys) }));
}
