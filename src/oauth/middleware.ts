import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Provider } from 'oidc-provider';
import { errorText } from '../kernel/errors.ts';
import { createConsent, type Consent } from './consent.ts';
import type { OAuthParts } from './deps.ts';
import { bearerToken, readBody, sendError, sendJson } from './http.ts';
import { authorizationServerMetadata } from './metadata.ts';
import { OAuthError } from './oauth-error.ts';
import { parseScopes } from './scopes.ts';

export type Middleware = (req: IncomingMessage, res: ServerResponse, next: () => void) => void;

type Handler = (req: IncomingMessage, res: ServerResponse, query: URLSearchParams) => Promise<void>;
type Route = Readonly<Partial<Record<'GET' | 'POST', Handler>>>;

const publicCache = { 'cache-control': 'public, max-age=300' };
const corsHeaders = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'WWW-Authenticate, Retry-After' };
const preflightHeaders = { 'access-control-allow-headers': 'Authorization, Content-Type', 'access-control-max-age': '3600' };

function consentSessionOf(query: URLSearchParams): string {
  const session = query.get('session');
  if (session === null || session === '') throw new OAuthError(400, 'invalid_request', 'session: missing');
  return session;
}

/** `approved_scopes`: a list, or in a form the usual space-separated words. */
function approvedScopesOf(body: Readonly<Record<string, unknown>>): readonly string[] {
  const approved = body.approved_scopes;
  if (typeof approved === 'string') return parseScopes(approved);
  if (Array.isArray(approved) && approved.every((scope) => typeof scope === 'string')) return approved;
  throw new OAuthError(400, 'invalid_request', 'approved_scopes: must be a list of scopes');
}

const consentRoute = (consent: Consent): Route => ({
  GET: async (req, res, query) => sendJson(res, 200, await consent.question(consentSessionOf(query), bearerToken(req))),
  POST: async (req, res, query) => {
    const token = bearerToken(req);
    sendJson(res, 200, await consent.answer(consentSessionOf(query), token, approvedScopesOf(await readBody(req))));
  },
});

function routes(provider: Provider, parts: OAuthParts): Readonly<Record<string, Route>> {
  const { issuer } = parts.options;
  const { protocol, host } = new URL(issuer);
  const callback = provider.callback();
  /** The library builds addresses from forwarded headers: they are ours, whatever the caller sent. */
  const library: Handler = async (req, res) => {
    req.headers['x-forwarded-proto'] = protocol.slice(0, -1);
    req.headers['x-forwarded-host'] = host;
    delete req.headers['x-forwarded-for'];
    await callback(req, res);
  };
  const metadata: Route = { GET: async (_req, res) => sendJson(res, 200, authorizationServerMetadata(issuer), publicCache) };
  const jwks: Route = { GET: async (_req, res) => sendJson(res, 200, await parts.keys.publicJwks(), publicCache) };
  return {
    '/oauth2/token': { POST: library },
    '/oauth2/introspect': { POST: library },
    '/oauth2/revoke': { POST: library },
    '/oauth2/consent': consentRoute(createConsent(parts)),
    '/oauth2/jwks': jwks,
    '/.well-known/jwks.json': jwks,
    '/.well-known/openid-configuration': metadata,
    '/.well-known/oauth-authorization-server': metadata,
  };
}

/** Serves the paths of the authorization server; every other request goes on. No body parser may run before it. */
export function createMiddleware(provider: Provider, parts: OAuthParts): Middleware {
  const table = routes(provider, parts);

  const serve = async (req: IncomingMessage, res: ServerResponse, route: Route, query: URLSearchParams): Promise<void> => {
    const allow = [...Object.keys(route), 'OPTIONS'].join(', ');
    for (const [name, value] of Object.entries(corsHeaders)) res.setHeader(name, value);
    if (req.method === 'OPTIONS') {
      res.writeHead(204, { ...preflightHeaders, 'access-control-allow-methods': allow }).end();
      return;
    }
    const handler = route[(req.method === 'HEAD' ? 'GET' : req.method) as keyof Route];
    if (handler === undefined) sendJson(res, 405, { error: 'invalid_request', error_description: `only ${allow}` }, { allow });
    else await handler(req, res, query);
  };

  return (req, res, next) => {
    const [path = '', query = ''] = (req.url ?? '/').split('?', 2);
    const route = Object.hasOwn(table, path) ? table[path] : undefined;
    if (route === undefined) {
      next();
      return;
    }
    serve(req, res, route, new URLSearchParams(query)).catch((error: unknown) => {
      if (error instanceof OAuthError) {
        sendError(res, error);
        return;
      }
      parts.log.error({ error: errorText(error), path }, 'OAuth request failed');
      if (!res.headersSent) sendJson(res, 500, { error: 'server_error', error_description: 'Something went wrong here' });
      else res.destroy();
    });
  };
}
