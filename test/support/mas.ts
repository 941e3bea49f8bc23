import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Client, type KoaContextWithOIDC } from 'oidc-provider';
import { Browser } from '../http/oauth/browser.ts';
import { masClient } from '../http/oauth/identity-servers.ts';

/** A Matrix client that signs its users in at MAS. */
const hostClientId = '01HELEMENTWEB0000000000000';
const hostRedirect = 'https://element.example/cb';
const resource = 'https://matrix.example/';
const accessTokenSeconds = 300;

/** A stand-in for the Matrix Authentication Service: an authorization server that is not ours, with MAS's fields in its introspection (as MAS 1.22 was seen to answer). */
export interface StandInMas {
  readonly issuer: string;
  /** Addresses that our client may be sent back to. */
  readonly callbacks: Set<string>;
  /** Called with each access token that is given out. */
  onToken: (token: string, username: string) => void;
  /** Opens an address of it as somebody who signs in there at once. Returns where it leads. */
  visit(url: string, username: string): Promise<string>;
  /** An access token and a refresh token of the user's Matrix client, with these scopes. */
  signInToElement(username: string, scope: string): Promise<{ access_token: string; refresh_token: string }>;
  /** What it says of a token. */
  introspect(token: string): Promise<Record<string, unknown>>;
  revoke(token: string): Promise<void>;
  close(): Promise<void>;
}

const ulidOf = (username: string): string => `01HUSER${username.toUpperCase().padEnd(19, '0')}`;
const usernameOf = (ulid: string): string => ulid.slice('01HUSER'.length).replace(/0+$/, '').toLowerCase();

/** Every field that MAS has, and no other. */
function masFields(ctx: KoaContextWithOIDC): object {
  const { AccessToken: access, RefreshToken: refresh } = ctx.oidc.entities;
  const { exp, iat, scope, client_id } = ctx.body as Record<string, unknown>;
  const token = access ?? refresh!;
  return {
    active: true,
    scope: scope ?? '',
    client_id,
    username: usernameOf(token.accountId),
    token_type: access === undefined ? 'refresh_token' : 'access_token',
    exp,
    expires_in: (exp as number) - Math.floor(Date.now() / 1000),
    iat,
    nbf: iat,
    sub: token.accountId,
    jti: token.jti,
  };
}

function createProvider(issuer: string, callbacks: ReadonlySet<string>, onToken: (token: string, username: string) => void): Provider {
  const asked = new Set<string>(['openid']);
  const common = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code' as const], redirect_uris: [hostRedirect] };
  const provider = new Provider(issuer, {
    clients: [
      { ...common, client_id: masClient.clientId, client_secret: masClient.clientSecret, token_endpoint_auth_method: 'client_secret_basic' },
      { ...common, client_id: hostClientId, token_endpoint_auth_method: 'none' },
    ],
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: { enabled: true, defaultResource: () => resource, useGrantedResource: () => true, getResourceServerInfo: () => ({ scope: [...asked].join(' '), accessTokenFormat: 'opaque' }) },
    },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    ttl: { AccessToken: accessTokenSeconds, RefreshToken: 86_400, Grant: 86_400, Session: 86_400, Interaction: 600, AuthorizationCode: 60, IdToken: 60 },
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ accountId: ctx.oidc.account!.accountId, clientId: ctx.oidc.client!.clientId });
      grant.addOIDCScope('openid');
      grant.addResourceScope(resource, [...ctx.oidc.requestParamScopes].join(' '));
      await grant.save();
      return grant;
    },
  });
  Object.assign(provider.Client.prototype, { redirectUriAllowed: (uri: string) => uri === hostRedirect || callbacks.has(uri), postLogoutRedirectUriAllowed: () => false } satisfies Partial<Client>);
  provider.use(async (ctx: KoaContextWithOIDC, next) => {
    if (ctx.path === '/auth') for (const scope of String(ctx.query.scope ?? '').split(' ')) asked.add(scope);
    await next();
    const body = ctx.body as Record<string, unknown> | undefined;
    if (ctx.oidc?.route === 'introspection' && body?.active === true) ctx.body = masFields(ctx);
    if (ctx.oidc?.route === 'token' && ctx.status === 200) onToken(String(body?.access_token), usernameOf(ctx.oidc.entities.AccessToken!.accountId));
  });
  return provider;
}

export async function startMas(): Promise<StandInMas> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const callbacks = new Set<string>();
  let visitor = '';
  const provider = createProvider(issuer, callbacks, (token, username) => mas.onToken(token, username));
  const handle = provider.callback();
  server.on('request', (req, res) => {
    if (req.url?.startsWith('/interaction/') !== true) void handle(req, res);
    else void provider.interactionFinished(req, res, { login: { accountId: ulidOf(visitor) } });
  });
  const basic = { authorization: `Basic ${Buffer.from(`${masClient.clientId}:${encodeURIComponent(masClient.clientSecret)}`).toString('base64')}` };
  const post = async (path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Record<string, unknown>> => {
    const response = await fetch(`${issuer}${path}`, { method: 'POST', headers, body: new URLSearchParams(fields) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  };
  const mas: StandInMas = {
    issuer,
    callbacks,
    onToken: () => undefined,
    async visit(url, username) {
      visitor = username;
      const { location, status, text } = await new Browser(issuer).go(url);
      if (location === undefined) throw new Error(`MAS stays where it is: ${status} ${text}`);
      return location;
    },
    async signInToElement(username, scope) {
      const verifier = 'v'.repeat(43);
      const challenge = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(verifier))).toString('base64url');
      const query = new URLSearchParams({ response_type: 'code', client_id: hostClientId, redirect_uri: hostRedirect, scope, code_challenge: challenge, code_challenge_method: 'S256' });
      const back = new URL(await mas.visit(`${issuer}/auth?${query.toString()}`, username));
      const tokens = await post('/token', { grant_type: 'authorization_code', client_id: hostClientId, code: back.searchParams.get('code') ?? back.search, redirect_uri: hostRedirect, code_verifier: verifier });
      return tokens as { access_token: string; refresh_token: string };
    },
    introspect: (token) => post('/token/introspection', { token }, basic),
    async revoke(token) {
      await post('/token/revocation', { token }, basic);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return mas;
}
