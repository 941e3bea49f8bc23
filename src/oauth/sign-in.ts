import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorText } from '../kernel/errors.ts';
import { newSecret, sha256Hex, type UserId } from '../kernel/ids.ts';
import { ProofRefused, ProofUnavailable } from '../matrix/proof/index.ts';
import type { RedirectWay, SignInWay } from '../matrix/sign-in/index.ts';
import { signInPage, type SignInMethod } from '../web/pages.ts';
import { PageError, seeOther, sendPage, type Browser } from './browser.ts';
import { insertSignInAttempt, takeSignInAttempt } from './browser-session-repo.ts';
import type { OAuthParts } from './deps.ts';
import { parseScopes } from './scopes.ts';

/** How long somebody may take at MAS or at the homeserver's identity provider. */
const attemptMs = 10 * 60_000;
const verifierPurpose = 'sign-in-verifier';
const paths = { signIn: '/oauth2/sign-in', redirect: '/oauth2/sign-in/redirect', callback: '/oauth2/callback', developerCallback: '/oauth2/developer/callback' } as const;
export const developerAuthorizePath = '/oauth2/developer/authorize';
/** What needs a signed-in user and can be come back to: nothing outside this server, ever. */
const returnPaths: ReadonlySet<string> = new Set(['/oauth2/authorize', '/oauth2/consent', '/oauth2/device', '/oauth2/sessions', developerAuthorizePath]);

/** Where to sign in, and where to go on afterwards. */
export const signInPath = (returnTo: string): string => `${paths.signIn}?${new URLSearchParams({ return_to: returnTo }).toString()}`;

/** The path, if it is one of ours. Throws PageError. */
function checkedReturn(issuer: string, returnTo: string | null): string {
  const { origin } = new URL(issuer);
  const url = URL.parse(returnTo ?? '/oauth2/sessions', issuer);
  if (url === null || url.origin !== origin || !returnPaths.has(url.pathname)) throw new PageError(400, 'This link does not work', 'Go back to the app and start again.');
  return url.pathname + url.search;
}

export interface SignInPages {
  page(req: IncomingMessage, res: ServerResponse, query: URLSearchParams): Promise<void>;
  password(req: IncomingMessage, res: ServerResponse): Promise<void>;
  redirect(req: IncomingMessage, res: ServerResponse, query: URLSearchParams): Promise<void>;
  callback(req: IncomingMessage, res: ServerResponse, query: URLSearchParams): Promise<void>;
}

/** What an upstream's refusal is to the person in front of the browser. */
function toPageError(parts: OAuthParts, error: unknown): unknown {
  if (error instanceof ProofUnavailable) {
    parts.log.warn({ error: errorText(error), cause: errorText(error.cause) }, 'sign-in is not possible');
    return new PageError(503, 'Your homeserver does not answer', 'Try again in a moment.', 5);
  }
  if (error instanceof ProofRefused) {
    parts.log.info({ reason: error.reason }, 'sign-in refused');
    return new PageError(403, 'That did not work', 'Your homeserver did not sign you in. Go back to the app and start again.');
  }
  return error;
}

type Done = (req: IncomingMessage, res: ServerResponse, userId: UserId, returnTo: string) => Promise<void>;

/** Signing in elsewhere, at MAS or at the homeserver's identity provider, and coming back. */
function createRedirects(parts: OAuthParts, browser: Browser, done: Done) {
  const { signIn, options, clock, database, keyRing, limits } = parts;
  /** Developers come back to an address of their own, which a homeserver can so tell apart (section 4.4.1). */
  const callbackFor = (returnTo: string): string => options.issuer + (returnTo.startsWith(developerAuthorizePath) ? paths.developerCallback : paths.callback);
  /** The mini-app for which MAS is asked for the user's Matrix powers: one that is asking for `messaging:send` now. */
  const actingApp = async (returnTo: string): Promise<string | undefined> => {
    const { pathname, searchParams } = new URL(returnTo, options.issuer);
    if (parts.actFor === undefined || pathname !== '/oauth2/authorize' || !parseScopes(searchParams.get('scope') ?? undefined).includes('messaging:send')) return undefined;
    const client = await parts.clients.findClient(searchParams.get('client_id') ?? '');
    return client?.registeredScopes.includes('messaging:send') === true ? client.miniappId : undefined;
  };
  return {
    async start(req: IncomingMessage, res: ServerResponse, query: URLSearchParams): Promise<void> {
      const returnTo = checkedReturn(options.issuer, query.get('return_to'));
      const way = query.get('way');
      const providerId = query.get('provider') ?? undefined;
      const offered = (await signIn.ways()).find((one) => one.kind === way && (one.kind !== 'sso' || one.providerId === providerId));
      if (offered === undefined || offered.kind === 'password') throw new PageError(400, 'This link does not work', 'Your homeserver does not offer this way to sign in.');
      await limits.signIn(req, undefined);
      const state = newSecret('');
      const codeVerifier = newSecret('');
      const stateHash = sha256Hex(state);
      const location = await signIn.start({ way: offered.kind, providerId, state, codeVerifier, callback: callbackFor(returnTo), actForUser: (await actingApp(returnTo)) !== undefined });
      await insertSignInAttempt(database, {
        stateHash,
        browserHash: browser.browserHash(req, res),
        way: offered.kind,
        sealedVerifier: keyRing.seal(verifierPurpose, codeVerifier, stateHash),
        returnTo,
        expiresAt: clock.now() + attemptMs,
      });
      seeOther(res, location.href);
    },
    async finish(req: IncomingMessage, res: ServerResponse, query: URLSearchParams): Promise<void> {
      const stateHash = sha256Hex(query.get('state') ?? '');
      // Bound to the browser: nobody can have another person's browser signed in to an account of theirs.
      const attempt = await takeSignInAttempt(database, stateHash, browser.browserHash(req, res), clock.now());
      if (attempt === undefined) throw new PageError(400, 'This sign-in is too old', 'Go back to the app and start again.');
      const codeVerifier = keyRing.open(verifierPurpose, attempt.sealedVerifier, stateHash);
      const app = await actingApp(attempt.returnTo);
      const { userId, tokens } = await signIn.finish({ way: attempt.way as RedirectWay, codeVerifier, callback: callbackFor(attempt.returnTo), query, actForUser: app !== undefined });
      if (app !== undefined && tokens !== undefined) await parts.actFor!.keep(userId, app, tokens);
      return done(req, res, userId, attempt.returnTo);
    },
  };
}

/** Signing in on our pages with the homeserver (specification section 16.10): by MAS, legacy SSO, or a password as the last resort. */
export function createSignInPages(parts: OAuthParts, browser: Browser): SignInPages {
  const { signIn, options, limits, developers } = parts;
  const methodOf = (way: SignInWay, returnTo: string): SignInMethod => {
    if (way.kind === 'password') return { kind: 'password' };
    const query = new URLSearchParams({ way: way.kind, return_to: returnTo, ...(way.kind === 'sso' && way.providerId !== undefined ? { provider: way.providerId } : {}) });
    return { kind: 'redirect', label: way.label, href: `${paths.redirect}?${query.toString()}` };
  };
  /** For whom: its name, and where the form may lead in the end (Chromium holds every redirect after a form to the policy). */
  const destination = async (returnTo: string): Promise<{ clientName: string; formActions: string[] }> => {
    const { searchParams } = new URL(returnTo, options.issuer);
    if (returnTo.startsWith(developerAuthorizePath)) return { clientName: 'the developer console', formActions: searchParams.getAll('redirect_uri').filter((uri) => developers?.isTarget(searchParams.get('client_id') ?? '', uri)) };
    const client = await parts.clients.findClient(searchParams.get('client_id') ?? '');
    return { clientName: client?.name ?? 'your mini-apps', formActions: (client?.redirectUris ?? []).filter((uri) => uri === searchParams.get('redirect_uri')) };
  };
  const show = async (req: IncomingMessage, res: ServerResponse, returnTo: string, failed?: { readonly error: string; readonly username: string }): Promise<void> => {
    const methods = (await signIn.ways()).map((way) => methodOf(way, returnTo));
    const { clientName, formActions } = await destination(returnTo);
    const html = signInPage({ csrfToken: browser.csrfToken(req, res), action: signInPath(returnTo), clientName, methods, homeserver: options.homeserverName, ...failed });
    sendPage(res, html, { status: failed === undefined ? 200 : 401, formActions });
  };
  const done: Done = async (req, res, userId, returnTo) => {
    await browser.begin(req, res, userId);
    parts.log.info({ user_id: userId }, 'signed in');
    seeOther(res, returnTo);
  };
  const elsewhere = createRedirects(parts, browser, done);
  const guarded = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      throw toPageError(parts, error);
    }
  };

  const password = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const form = await browser.form(req);
    const returnTo = checkedReturn(options.issuer, new URL(req.url ?? '/', options.issuer).searchParams.get('return_to'));
    const username = form.get('username') ?? '';
    const wrong = { error: 'The user name or the password is wrong.', username };
    if (username === '' || username.length > 255 || (form.get('password') ?? '').length > 512) return show(req, res, returnTo, wrong);
    await limits.signIn(req, username);
    try {
      return await done(req, res, await signIn.withPassword(username, form.get('password') ?? ''), returnTo);
    } catch (error) {
      if (!(error instanceof ProofRefused)) throw error;
      parts.log.info({ reason: error.reason }, 'sign-in refused');
      return show(req, res, returnTo, wrong);
    }
  };

  return {
    page: (req, res, query) => guarded(() => show(req, res, checkedReturn(options.issuer, query.get('return_to')))),
    password: (req, res) => guarded(() => password(req, res)),
    redirect: (req, res, query) => guarded(() => elsewhere.start(req, res, query)),
    callback: (req, res, query) => guarded(() => elsewhere.finish(req, res, query)),
  };
}
