import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Provider } from 'oidc-provider';
import { unixSeconds } from '../kernel/clock.ts';
import { asUserId, equalSecrets, newSecret, sha256Hex, type UserId } from '../kernel/ids.ts';
import { errorPage, pageHeaders } from '../web/pages.ts';
import type { OAuthParts } from './deps.ts';
import { readForm, type Form } from './http.ts';

/** Something that the person in front of the browser must be told. */
export class PageError extends Error {
  override readonly name = 'PageError';
  readonly status: number;
  readonly title: string;
  readonly retryAfterSeconds: number | undefined;
  constructor(status: number, title: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.status = status;
    this.title = title;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Names of the cookies. On https the browser itself keeps them to this origin (`__Host-`; the short ones have a path and can't). */
export function cookieNames(issuer: string): { readonly secure: boolean; readonly session: string; readonly browser: string; readonly interaction: string; readonly resume: string } {
  const secure = issuer.startsWith('https:');
  const [host, path] = secure ? ['__Host-', '__Secure-'] : ['', ''];
  return { secure, session: `${host}tmcp_session`, browser: `${host}tmcp_browser`, interaction: `${path}tmcp_interaction`, resume: `${path}tmcp_resume` };
}

/** The user who signed in in this browser, and when. */
export interface SignedIn {
  readonly userId: UserId;
  readonly signedInAt: number;
  readonly uidHash: string;
}

/** What pages have in common: cookies, forms that only our own pages can send, and how they are answered. */
export interface Browser {
  /** Who is signed in here. */
  signedIn(req: IncomingMessage): Promise<SignedIn | undefined>;
  /** Starts a session of this user; the one that was there before ends. */
  begin(req: IncomingMessage, res: ServerResponse, userId: UserId): Promise<void>;
  /** Ends the session in this browser. */
  forget(res: ServerResponse): void;
  /** A value that only a page for this browser carries back. */
  csrfToken(req: IncomingMessage, res: ServerResponse): string;
  /** The form, if our own page in this browser sent it. Throws PageError. */
  form(req: IncomingMessage): Promise<Form>;
  /** Hash of this browser's own cookie, which is set where there is none. */
  browserHash(req: IncomingMessage, res: ServerResponse): string;
}

const cookieOf = (req: IncomingMessage, name: string): string | undefined => {
  for (const part of (req.headers.cookie ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return undefined;
};

const browserSecretForm = /^br_[\w-]{43}$/;

export function createBrowser(provider: Provider, parts: OAuthParts): Browser {
  const { options, keyRing } = parts;
  const names = cookieNames(options.issuer);
  const fresh = new WeakMap<IncomingMessage, string>();
  const setCookie = (res: ServerResponse, name: string, value: string, expires?: Date): void => {
    res.appendHeader('set-cookie', `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${names.secure ? '; Secure' : ''}${expires === undefined ? '' : `; Expires=${expires.toUTCString()}`}`);
  };
  const browserSecret = (req: IncomingMessage): string | undefined => {
    const secret = cookieOf(req, names.browser);
    return secret !== undefined && browserSecretForm.test(secret) ? secret : undefined;
  };
  const ensureBrowserSecret = (req: IncomingMessage, res: ServerResponse): string => {
    const known = browserSecret(req) ?? fresh.get(req);
    if (known !== undefined) return known;
    const secret = newSecret('br_');
    fresh.set(req, secret);
    setCookie(res, names.browser, secret);
    return secret;
  };
  const csrfOf = (secret: string): string => keyRing.mac('csrf', secret);
  const findSession = async (req: IncomingMessage) => {
    const id = cookieOf(req, names.session);
    return id === undefined ? undefined : provider.Session.find(id);
  };

  return {
    async signedIn(req) {
      const session = await findSession(req);
      if (session?.accountId === undefined || session.loginTs === undefined) return undefined;
      return { userId: asUserId(session.accountId), signedInAt: session.loginTs * 1000, uidHash: sha256Hex(session.uid) };
    },
    async begin(req, res, userId) {
      // The cookie's value changes with whoever signs in: a session that somebody planted before is worth nothing (fixation).
      await (await findSession(req))?.destroy();
      const session = new provider.Session();
      const seconds = Math.floor(options.browserSessionMs / 1000);
      session.loginAccount({ accountId: userId, loginTs: unixSeconds(parts.clock.now()) });
      await session.save(seconds);
      setCookie(res, names.session, session.jti, new Date(parts.clock.now() + options.browserSessionMs));
    },
    forget: (res) => setCookie(res, names.session, '', new Date(0)),
    csrfToken: (req, res) => csrfOf(ensureBrowserSecret(req, res)),
    async form(req) {
      const { origin } = req.headers;
      const secret = browserSecret(req);
      const form = await readForm(req);
      const own = origin === undefined || origin === new URL(options.issuer).origin;
      if (!own || secret === undefined || !equalSecrets(form.get('csrf_token') ?? '', csrfOf(secret))) {
        throw new PageError(403, 'This form is not from here', 'Go back to the app and start again.');
      }
      return form;
    },
    browserHash: (req, res) => sha256Hex(ensureBrowserSecret(req, res)),
  };
}

/** Sends a page. `formActions`: where its form may lead besides this server. */
export function sendPage(res: ServerResponse, html: string, options: { readonly status?: number; readonly formActions?: readonly string[]; readonly headers?: Readonly<Record<string, string>> } = {}): void {
  res.writeHead(options.status ?? 200, { ...pageHeaders({ formActions: options.formActions ?? [] }), 'content-length': Buffer.byteLength(html), ...options.headers });
  res.end(html);
}

/** 303: what was posted is not posted again (RFC 9700 section 4.12). */
export function seeOther(res: ServerResponse, location: string): void {
  res.writeHead(303, { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'content-length': '0' });
  res.end();
}

export function sendPageError(res: ServerResponse, error: PageError, requestId: string | undefined): void {
  const html = errorPage({ title: error.title, message: error.message, ...(requestId === undefined ? {} : { requestId }) });
  sendPage(res, html, { status: error.status, ...(error.retryAfterSeconds === undefined ? {} : { headers: { 'retry-after': String(error.retryAfterSeconds) } }) });
}
