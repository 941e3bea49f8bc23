import { startIdentityServers, type IdentityServers } from '../http/oauth/identity-servers.ts';
import { call, firstPartyToken } from './api.ts';
import { prepareServer, type ServerProcess } from './server-process.ts';

/** A server process of its own with somebody signed in, and a stand-in for the homeserver that knows them. */
export interface StorageProcess {
  readonly server: ServerProcess;
  readonly identity: IdentityServers;
  /** A token of the host client, whose namespace is as good as any. */
  token(): Promise<string>;
  close(): Promise<void>;
}

export async function startStorageProcess(options: { readonly databaseUrl?: string; readonly env?: Readonly<Record<string, string>> } = {}): Promise<StorageProcess> {
  const identity = await startIdentityServers();
  identity.whoami.set('syt_alice', { user_id: '@alice:hs.test', is_guest: false });
  const server = await prepareServer({ ...options, env: { TMCP_HOMESERVER_URL: identity.url, TMCP_LOG_LEVEL: 'warn', ...options.env } });
  await server.start();
  return {
    server,
    identity,
    token: () => firstPartyToken(server.url, 'syt_alice', 'tmcp_store'),
    async close() {
      await server.stop();
      await identity.close();
    },
  };
}

/** Stores a text. Throws unless it was stored. */
export async function store(url: string, token: string, key: string, value: string): Promise<void> {
  const { status } = await call(url, 'PUT', `/api/v1/storage/${key}`, { token, body: { value } });
  if (status !== 200) throw new Error(`PUT answered ${status}`);
}
