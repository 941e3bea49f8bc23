import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers of a homeserver and of MAS as the real ones were seen to give them: Synapse 1.163, MAS 1.22. */
export interface IdentityServers {
  readonly url: string;
  /** Access token → what `account/whoami` says. */
  readonly whoami: Map<string, { user_id: string; device_id?: string; is_guest: boolean }>;
  /** OpenID token → `sub`. */
  readonly openId: Map<string, string>;
  /** Token → what MAS's introspection says. */
  readonly introspection: Map<string, Record<string, unknown>>;
  /** Answers every request like this instead, where set. */
  failWith: number | undefined;
  readonly requests: { readonly path: string; readonly authorization: string | undefined }[];
  close(): Promise<void>;
}

export const masClient = { clientId: '01HMASCLIENTOFTMCP0000000', clientSecret: 'mas secret: with+odd/characters' };

const send = (res: ServerResponse, status: number, body: object): void => {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

async function bodyOf(req: IncomingMessage): Promise<URLSearchParams> {
  let text = '';
  for await (const chunk of req as AsyncIterable<Buffer>) text += chunk.toString();
  return new URLSearchParams(text);
}

const expectedBasic = `Basic ${Buffer.from(`${masClient.clientId}:${encodeURIComponent(masClient.clientSecret).replaceAll('%20', '+')}`).toString('base64')}`;

async function answer(servers: IdentityServers, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const url = new URL(req.url ?? '/', servers.url);
  servers.requests.push({ path: url.pathname, authorization: req.headers.authorization });
  if (servers.failWith !== undefined) {
    send(res, servers.failWith, { errcode: 'M_UNKNOWN', error: 'Internal server error' });
    return;
  }
  switch (url.pathname) {
    case '/_matrix/client/v3/account/whoami': {
      const account = servers.whoami.get((req.headers.authorization ?? '').replace('Bearer ', ''));
      if (account === undefined) send(res, 401, { errcode: 'M_UNKNOWN_TOKEN', error: 'Invalid access token passed.', soft_logout: false });
      else send(res, 200, account);
      return;
    }
    case '/_matrix/federation/v1/openid/userinfo': {
      const sub = servers.openId.get(url.searchParams.get('access_token') ?? '');
      if (sub === undefined) send(res, 401, { errcode: 'M_UNKNOWN_TOKEN', error: 'Access Token unknown or expired' });
      else send(res, 200, { sub });
      return;
    }
    case '/.well-known/openid-configuration':
      send(res, 200, { issuer: `${servers.url}/`, introspection_endpoint: `${servers.url}/oauth2/introspect` });
      return;
    case '/oauth2/introspect':
      if (req.headers.authorization !== expectedBasic) send(res, 401, { error: 'invalid_client' });
      else send(res, 200, servers.introspection.get((await bodyOf(req)).get('token') ?? '') ?? { active: false });
      return;
    default:
      send(res, 404, { errcode: 'M_UNRECOGNIZED', error: 'Unrecognized request' });
  }
}

export async function startIdentityServers(): Promise<IdentityServers> {
  const server: Server = createServer((req, res) => void answer(servers, req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const servers: IdentityServers = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    whoami: new Map(),
    openId: new Map(),
    introspection: new Map(),
    failWith: undefined,
    requests: [],
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return servers;
}
