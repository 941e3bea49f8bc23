import type { IncomingMessage, ServerResponse } from 'node:http';
import { errors, type Provider } from 'oidc-provider';
import { errorText } from '../kernel/errors.ts';
import { createBrowser, PageError, sendPageError, type Browser } from './browser.ts';
import { createConsentPage } from './consent-page.ts';
import { createConsent, type Consent } from './consent.ts';
import type { OAuthParts } from './deps.ts';
import { createDeveloperPages } from './developer-pages.ts';
import { createDevicePages } from './device.ts';
import { createInteractionPages } from './interaction.ts';
import { bearerToken, readBody, sendError, sendJson } from './http.ts';
import { authorizationServerMetadata } from './metadata.ts';
import { addressOf, TooManyAttempts } from './limits.ts';
import { limitRefusal, OAuthError, outageRefusal, outageRetrySeconds, tooManyAttempts } from './oauth-error.ts';
import type { Authorizations } from './revocation.ts';
import { parseScopes } from './scopes.ts';
import { createSessionsPage } from './sessions-page.ts';
import { createSignInPages, developerAuthorizePath, type SignInPages } from './sign-in.ts';

export type Middleware = (req: IncomingMessage, res: ServerResponse, next: () => void) => void;

type Handler = (req: IncomingMessage, res: ServerResponse, query: URLSearchParams) => Promise<void>;
type Route = Readonly<Partial<Record<'GET' | 'POST', Handler>>>;

const publicCache = { 'cache-control': 'public, max-age=300' };
const corsHeaders = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'WWW-Authenticate, Retry-After, X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-RateLimit-Reset-After, X-RateLimit-Burst, X-RateLimit-Burst-Remaining' };
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

/** A program shows the user's Matrix token; a browser shows the session in which the user signed in (decision D4). */
const isBrowser = (req: IncomingMessage): boolean => req.headers.authorization === undefined && (req.method === 'POST' ? req.headers.cookie !== undefined : (req.headers.accept ?? '').includes('text/html'));

function consentRoute(consent: Consent, page: ReturnType<typeof createConsentPage>, fail: (res: ServerResponse, error: unknown) => void): Route {
  const onPage = async (res: ServerResponse, work: () => Promise<void>): Promise<void> => {
    res.removeHeader('access-control-allow-origin');
    await work().catch((error: unknown) => fail(res, error));
  };
  return {
    GET: async (req, res, query) => {
      if (isBrowser(req)) return onPage(res, async () => page.show(req, res, consentSessionOf(query)));
      sendJson(res, 200, await consent.question(consentSessionOf(query), bearerToken(req)));
    },
    POST: async (req, res, query) => {
      if (isBrowser(req)) return onPage(res, async () => page.submit(req, res, consentSessionOf(query)));
      const token = bearerToken(req);
      const body = await readBody(req);
      sendJson(res, 200, await consent.answer(consentSessionOf(query), token, { approvedScopes: approvedScopesOf(body), authProof: body.auth_proof }));
    },
  };
}

const uidPath = /^\/oauth2\/(authorize|interaction)\/([\w-]{10,64})$/;

interface Routing {
  /** For programs. */
  readonly api: Readonly<Record<string, Route>>;
  /** For people: what goes wrong there is told on a page, and other origins have no business there. */
  readonly pages: Readonly<Record<string, Route>>;
}

/** Pages whose paths end in the id of an interaction. */
type UidPages = (name: string, uid: string) => Route;

function libraryHandler(provider: Provider, parts: OAuthParts): Handler {
  const { protocol, host } = new URL(parts.options.issuer);
  const callback = provider.callback();
  /** The library builds addresses from forwarded headers: they are ours, whatever the caller sent. */
  return async (req, res) => {
    addressOf(req);
    req.headers['x-forwarded-proto'] = protocol.slice(0, -1);
    req.headers['x-forwarded-host'] = host;
    delete req.headers['x-forwarded-for'];
    await callback(req, res);
  };
}

/** The developer console's paths (specification section 4.4). */
function developerPages(parts: OAuthParts, browser: Browser, signIn: SignInPages): Routing['pages'] {
  if (parts.developers === undefined) return {};
  const developer = createDeveloperPages(parts, browser, parts.developers);
  return {
    [developerAuthorizePath]: { GET: (req, res, query) => developer.show(req, res, query), POST: (req, res, query) => developer.submit(req, res, query) },
    '/oauth2/developer/callback': { GET: (req, res, query) => signIn.callback(req, res, query) },
  };
}

function routes(provider: Provider, parts: OAuthParts, authorizations: Authorizations): { readonly routing: Routing; readonly uidPages: UidPages } {
  const { issuer } = parts.options;
  const library = libraryHandler(provider, parts);
  const limited: Handler = async (req, res, query) => {
    await parts.limits.assertOpen(req);
    await library(req, res, query);
  };
  /** Codes travel in a query, by redirect, and in no other way: `form_post` would need a script on a page of ours. */
  const authorize: Handler = async (req, res, query) => {
    if ((query.get('response_mode') ?? 'query') !== 'query') throw new PageError(400, 'This does not work', 'The app asked for an answer in a form that is not offered here (response_mode).');
    await library(req, res, query);
  };
  const browser = createBrowser(provider, parts);
  const signIn = createSignInPages(parts, browser);
  const interaction = createInteractionPages(provider, parts, browser);
  const device = createDevicePages(provider, parts, browser);
  const sessions = createSessionsPage(parts, browser, authorizations);
  const metadata: Route = { GET: async (_req, res) => sendJson(res, 200, authorizationServerMetadata(issuer), publicCache) };
  const jwks: Route = { GET: async (_req, res) => sendJson(res, 200, await parts.keys.publicJwks(), publicCache) };
  const api: Routing['api'] = {
    '/oauth2/token': { POST: limited },
    '/oauth2/introspect': { POST: limited },
    '/oauth2/revoke': { POST: limited },
    '/oauth2/device/authorization': { POST: limited },
    '/oauth2/consent': consentRoute(createConsent(parts), createConsentPage(parts, browser), (res, error) => failPage(parts, res, '/oauth2/consent', error)),
    '/oauth2/jwks': jwks,
    '/.well-known/jwks.json': jwks,
    '/.well-known/openid-configuration': metadata,
    '/.well-known/oauth-authorization-server': metadata,
  };
  const pages: Routing['pages'] = {
    '/oauth2/authorize': { GET: authorize },
    '/oauth2/sign-in': { GET: (req, res, query) => signIn.page(req, res, query), POST: (req, res) => signIn.password(req, res) },
    '/oauth2/sign-in/redirect': { GET: (req, res, query) => signIn.redirect(req, res, query) },
    '/oauth2/device': { GET: (req, res, query) => device.show(req, res, query), POST: (req, res) => device.submit(req, res) },
    '/oauth2/callback': { GET: (req, res, query) => signIn.callback(req, res, query) },
    ...developerPages(parts, browser, signIn),
    '/oauth2/sessions': { GET: (req, res) => sessions.show(req, res), POST: (req, res) => sessions.submit(req, res) },
  };
  const uidPages: UidPages = (name, uid) => (name === 'authorize' ? { GET: library } : { GET: (req, res) => interaction.show(req, res, uid), POST: (req, res) => interaction.submit(req, res, uid) });
  return { routing: { api, pages }, uidPages };
}

/** What went wrong, on a page. */
function failPage(parts: OAuthParts, res: ServerResponse, path: string, thrown: unknown): void {
  const refusal = limitRefusal(thrown);
  const error = refusal instanceof OAuthError && refusal.retryAfterSeconds !== undefined ? new TooManyAttempts(refusal.retryAfterSeconds * 1000) : thrown;
  const requestId = res.getHeader('x-request-id');
  const known = error instanceof TooManyAttempts ? new PageError(429, 'Too many attempts', 'Wait a while, then try again.', error.retryAfterSeconds) : error instanceof errors.OIDCProviderError && error.expose ? new PageError(error.statusCode, 'This does not work', error.error_description ?? error.error) : error;
  if (!(known instanceof PageError)) parts.log.error({ error: errorText(error), path }, 'OAuth page failed');
  const unknown = (): PageError => (outageRefusal(error) === undefined ? new PageError(500, 'Something went wrong here', 'Try again in a moment.') : new PageError(503, 'This does not work just now', 'Try again in a moment.', outageRetrySeconds));
  if (res.headersSent) res.destroy();
  else sendPageError(res, known instanceof PageError ? known : unknown(), typeof requestId === 'string' ? requestId : undefined);
}

function failApi(parts: OAuthParts, res: ServerResponse, path: string, thrown: unknown): void {
  const error = limitRefusal(thrown);
  if (error instanceof OAuthError || error instanceof TooManyAttempts) {
    sendError(res, error instanceof OAuthError ? error : tooManyAttempts(error.retryAfterSeconds));
    return;
  }
  parts.log.error({ error: errorText(error), path }, 'OAuth request failed');
  const outage = outageRefusal(error);
  if (res.headersSent) res.destroy();
  else if (outage !== undefined) sendError(res, outage);
  else sendJson(res, 500, { error: 'server_error', error_description: 'Something went wrong here' });
}

/** Whom a Basic header names; not who it is. */
function basicName(req: IncomingMessage): string | undefined {
  const [, value] = /^Basic +(\S+) *$/i.exec(req.headers.authorization ?? '') ?? [];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8').split(':')[0]?.slice(0, 255);
}

const handlerOf = (route: Route, method: string | undefined): Handler | undefined => route[(method === 'HEAD' ? 'GET' : method) as keyof Route];

/** Serves the paths of the authorization server; every other request goes on. No body parser may run before it. */
export function createMiddleware(provider: Provider, parts: OAuthParts, authorizations: Authorizations): Middleware {
  const { routing, uidPages } = routes(provider, parts, authorizations);

  const admit = async (req: IncomingMessage, path: string): Promise<void> => parts.admission?.request(req.method === 'HEAD' ? 'GET' : (req.method ?? 'GET'), path, basicName(req));
  const serveApi = async (req: IncomingMessage, res: ServerResponse, path: string, route: Route, query: URLSearchParams): Promise<void> => {
    const allow = [...Object.keys(route), 'OPTIONS'].join(', ');
    for (const [name, value] of Object.entries(corsHeaders)) res.setHeader(name, value);
    if (req.method === 'OPTIONS') {
      res.writeHead(204, { ...preflightHeaders, 'access-control-allow-methods': allow }).end();
      return;
    }
    await admit(req, path);
    const handler = handlerOf(route, req.method);
    if (handler === undefined) sendJson(res, 405, { error: 'invalid_request', error_description: `only ${allow}` }, { allow });
    else await handler(req, res, query);
  };
  const servePage = async (req: IncomingMessage, res: ServerResponse, path: string, route: Route, query: URLSearchParams): Promise<void> => {
    res.removeHeader('access-control-allow-origin');
    await admit(req, path);
    const handler = handlerOf(route, req.method);
    if (handler !== undefined) return handler(req, res, query);
    res.setHeader('allow', Object.keys(route).join(', '));
    throw new PageError(405, 'This link does not work', 'Go back to the app and start again.');
  };
  const find = (path: string): { readonly page: boolean; readonly route: Route } | undefined => {
    if (Object.hasOwn(routing.api, path)) return { page: false, route: routing.api[path]! };
    if (Object.hasOwn(routing.pages, path)) return { page: true, route: routing.pages[path]! };
    const [, name, uid] = uidPath.exec(path) ?? [];
    return name === undefined || uid === undefined ? undefined : { page: true, route: uidPages(name, uid) };
  };

  return (req, res, next) => {
    const [path = '', query = ''] = (req.url ?? '/').split(/\?(.*)/s, 2);
    const found = find(path);
    if (found === undefined) {
      next();
      return;
    }
    const parameters = new URLSearchParams(query);
    if (found.page) servePage(req, res, path, found.route, parameters).catch((error: unknown) => failPage(parts, res, path, error));
    else serveApi(req, res, path, found.route, parameters).catch((error: unknown) => failApi(parts, res, path, error));
  };
}
