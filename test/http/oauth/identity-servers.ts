import { createHash } from 'node:crypto';
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
  /** User name → password. */
  readonly passwords: Map<string, string>;
  /** What the homeserver offers at `GET /login`. */
  flows: readonly object[];
  /** Login token, or authorization code of MAS with the challenge that it is bound to → localpart. */
  readonly loginTokens: Map<string, string>;
  readonly codes: Map<string, { readonly challenge: string; readonly username: string; readonly actFor?: true }>;
  /** Refresh tokens of MAS that are in force → user name; each counts once. */
  readonly refreshTokens: Map<string, string>;
  /** Messages that the homeserver took, with who sent them; by sender and transaction id, each once. */
  readonly messages: Map<string, { readonly sender: string; readonly roomId: string; readonly content: Record<string, unknown> }>;
  /** Access tokens that were made by signing in, and have not been ended. */
  readonly devices: Set<string>;
  /** Rooms that our bot is in, when the test has any: then the homeserver is one that is there. */
  readonly rooms: Map<string, StandInRoom>;
  /** User id → what the homeserver knows of their profile. */
  readonly profiles: Map<string, object>;
  /** Answers every request like this instead, where set. */
  failWith: number | undefined;
  readonly requests: { readonly path: string; readonly authorization: string | undefined }[];
  close(): Promise<void>;
}

export interface StandInRoom {
  readonly members: Set<string>;
  readonly joinRule?: string;
  readonly encrypted?: boolean;
  /** Content of `m.room.power_levels`; without one, nobody may change state. */
  readonly powerLevels?: object;
  /** The whole `m.room.create` event. */
  readonly create?: object;
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

const bearerOf = (req: IncomingMessage): string => (req.headers.authorization ?? '').replace('Bearer ', '');

let devicesMade = 0;

/** Synapse's `/login`: password and token, each of which makes a device. */
async function logIn(servers: IdentityServers, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.method === 'GET') {
    send(res, 200, { flows: servers.flows });
    return;
  }
  let text = '';
  for await (const chunk of req as AsyncIterable<Buffer>) text += chunk.toString();
  const body = JSON.parse(text) as { type: string; token?: string; password?: string; identifier?: { user: string } };
  const localpart = body.type === 'm.login.token' ? servers.loginTokens.get(body.token ?? '') : servers.passwords.get(body.identifier?.user ?? '') === body.password ? body.identifier?.user : undefined;
  if (body.type === 'm.login.token') servers.loginTokens.delete(body.token ?? '');
  if (localpart === undefined) {
    send(res, 403, { errcode: 'M_FORBIDDEN', error: 'Invalid username or password' });
    return;
  }
  const token = `syt_device_${(devicesMade += 1)}`;
  servers.devices.add(token);
  servers.whoami.set(token, { user_id: `@${localpart}:example.org`, device_id: `DEVICE${devicesMade}`, is_guest: false });
  send(res, 200, { user_id: `@${localpart}:example.org`, access_token: token, device_id: `DEVICE${devicesMade}` });
}

/** What MAS gives for a right to act for a user: the access token is one that the homeserver takes. */
function giveTokens(servers: IdentityServers, username: string, res: ServerResponse): void {
  const [token, refreshToken] = [`mat_acting_${(devicesMade += 1)}`, `mar_${devicesMade}`];
  const scope = 'openid urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:TMCPDEVICE';
  servers.introspection.set(token, { active: true, scope, client_id: masClient.clientId, username, token_type: 'access_token', sub: '01HULIDOFTHEUSER0000000000' });
  servers.whoami.set(token, { user_id: `@${username}:example.org`, device_id: 'TMCPDEVICE', is_guest: false });
  servers.refreshTokens.set(refreshToken, username);
  send(res, 200, { access_token: token, refresh_token: refreshToken, token_type: 'Bearer', expires_in: 300, scope });
}

/** MAS's token endpoint: a code once, with the verifier that fits; a refresh token once. */
function redeem(servers: IdentityServers, form: URLSearchParams, res: ServerResponse): void {
  if (form.get('grant_type') === 'refresh_token') {
    const username = servers.refreshTokens.get(form.get('refresh_token') ?? '');
    servers.refreshTokens.delete(form.get('refresh_token') ?? '');
    if (username === undefined) send(res, 400, { error: 'invalid_grant' });
    else giveTokens(servers, username, res);
    return;
  }
  const code = servers.codes.get(form.get('code') ?? '');
  servers.codes.delete(form.get('code') ?? '');
  if (code?.challenge !== createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url')) {
    send(res, 400, { error: 'invalid_grant' });
    return;
  }
  if (code.actFor === true) {
    giveTokens(servers, code.username, res);
    return;
  }
  const token = `mat_signin_${(devicesMade += 1)}`;
  servers.introspection.set(token, { active: true, scope: 'openid', client_id: masClient.clientId, username: code.username, token_type: 'access_token', sub: '01HULIDOFTHEUSER0000000000' });
  send(res, 200, { access_token: token, token_type: 'Bearer', expires_in: 300, scope: 'openid' });
}

/** RFC 7009: an access token, or a refresh token with the access tokens that came of it. */
function end(servers: IdentityServers, token: string): void {
  servers.introspection.delete(token);
  servers.whoami.delete(token);
  if (servers.refreshTokens.delete(token)) for (const acting of servers.whoami.keys()) if (acting.startsWith('mat_acting_')) servers.whoami.delete(acting);
}

/** Synapse's `send`: by a user's token, or by the application service for one of its users. */
async function take(servers: IdentityServers, req: IncomingMessage, url: URL, roomId: string, txnId: string, res: ServerResponse): Promise<void> {
  const sender = url.searchParams.get('user_id') ?? servers.whoami.get(bearerOf(req))?.user_id;
  let text = '';
  for await (const chunk of req as AsyncIterable<Buffer>) text += chunk.toString();
  if (sender === undefined) {
    send(res, 401, { errcode: 'M_UNKNOWN_TOKEN', error: 'Token is not active' });
    return;
  }
  const id = `${sender} ${txnId}`;
  if (!servers.messages.has(id)) servers.messages.set(id, { sender, roomId, content: JSON.parse(text) as Record<string, unknown> });
  send(res, 200, { event_id: `$event${[...servers.messages.keys()].indexOf(id)}` });
}

/** What Synapse answers about rooms to an application service's bot; 403 where it is not in the room, as there. */
function answerAboutRooms(servers: IdentityServers, pathname: string, res: ServerResponse): boolean {
  if (servers.rooms.size === 0) return false;
  if (pathname === '/_matrix/client/versions') send(res, 200, { versions: ['v1.11'] });
  else if (pathname === '/_matrix/client/v3/joined_rooms') send(res, 200, { joined_rooms: [...servers.rooms.keys()] });
  else {
    const [, roomId = '', what = ''] = /^\/_matrix\/client\/v3\/rooms\/([^/]+)\/(.+)$/.exec(pathname) ?? [];
    if (what === '') return false;
    const room = servers.rooms.get(decodeURIComponent(roomId));
    if (room === undefined) send(res, 403, { errcode: 'M_FORBIDDEN', error: 'User not in room' });
    else if (what === 'joined_members') send(res, 200, { joined: Object.fromEntries([...room.members].map((userId) => [userId, { display_name: userId.slice(1, userId.indexOf(':')), avatar_url: null }])) });
    else if (what === 'state/m.room.join_rules/') send(res, 200, { join_rule: room.joinRule ?? 'invite' });
    else if (what === 'state/m.room.encryption/' && room.encrypted === true) send(res, 200, { algorithm: 'm.megolm.v1.aes-sha2' });
    else if (what === 'state/m.room.power_levels/' && room.powerLevels !== undefined) send(res, 200, room.powerLevels);
    else if (what === 'state/m.room.create/' && room.create !== undefined) send(res, 200, room.create);
    else send(res, 404, { errcode: 'M_NOT_FOUND', error: 'Event not found.' });
  }
  return true;
}

async function answer(servers: IdentityServers, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const url = new URL(req.url ?? '/', servers.url);
  servers.requests.push({ path: url.pathname, authorization: req.headers.authorization });
  if (servers.failWith !== undefined) {
    send(res, servers.failWith, { errcode: 'M_UNKNOWN', error: 'Internal server error' });
    return;
  }
  const [, sendIn, txnId] = /^\/_matrix\/client\/v3\/rooms\/([^/]+)\/send\/m\.room\.message\/([^/]+)$/.exec(url.pathname) ?? [];
  if (sendIn !== undefined && txnId !== undefined) return take(servers, req, url, decodeURIComponent(sendIn), txnId, res);
  if (answerAboutRooms(servers, url.pathname, res)) return;
  const profile = servers.profiles.get(decodeURIComponent(/^\/_matrix\/client\/v3\/profile\/([^/]+)$/.exec(url.pathname)?.[1] ?? ''));
  if (profile !== undefined) return send(res, 200, profile);
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
    case '/_matrix/client/v3/login':
      await logIn(servers, req, res);
      return;
    case '/_matrix/client/v3/logout':
      servers.devices.delete(bearerOf(req));
      servers.whoami.delete(bearerOf(req));
      send(res, 200, {});
      return;
    case '/.well-known/openid-configuration':
      send(res, 200, {
        issuer: `${servers.url}/`,
        authorization_endpoint: `${servers.url}/authorize`,
        token_endpoint: `${servers.url}/oauth2/token`,
        introspection_endpoint: `${servers.url}/oauth2/introspect`,
        revocation_endpoint: `${servers.url}/oauth2/revoke`,
      });
      return;
    case '/oauth2/token':
      if (req.headers.authorization !== expectedBasic) send(res, 401, { error: 'invalid_client' });
      else redeem(servers, await bodyOf(req), res);
      return;
    case '/oauth2/revoke':
      if (req.headers.authorization === expectedBasic) end(servers, (await bodyOf(req)).get('token') ?? '');
      send(res, 200, {});
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
    passwords: new Map(),
    flows: [{ type: 'm.login.password' }, { type: 'm.login.application_service' }],
    loginTokens: new Map(),
    codes: new Map(),
    refreshTokens: new Map(),
    messages: new Map(),
    devices: new Set(),
    introspection: new Map(),
    rooms: new Map(),
    profiles: new Map(),
    failWith: undefined,
    requests: [],
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return servers;
}
