import { createHash, randomBytes } from 'node:crypto';
import type { World } from './support.ts';

/** A page or a redirect, as a browser without scripts sees it. */
export interface Page {
  readonly status: number;
  readonly url: string;
  readonly headers: Headers;
  readonly text: string;
  /** Where a redirect leads. */
  readonly location: string | undefined;
}

const unescape = (text: string): string => text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');

/** Keeps cookies and follows nothing by itself. */
export class Browser {
  readonly cookies = new Map<string, { value: string; path: string; attributes: string }>();
  readonly origin: string;
  constructor(origin: string) {
    this.origin = origin;
  }

  async request(url: string, init: RequestInit = {}): Promise<Page> {
    const target = new URL(url, this.origin);
    const cookie = [...this.cookies].filter(([, { path }]) => target.pathname === path || target.pathname.startsWith(path.endsWith('/') ? path : `${path}/`)).map(([name, { value }]) => `${name}=${value}`);
    const headers = { accept: 'text/html', ...(target.origin === new URL(this.origin).origin && cookie.length > 0 ? { cookie: cookie.join('; ') } : {}), ...(init.headers as Record<string, string> | undefined) };
    const response = await fetch(target, { redirect: 'manual', ...init, headers });
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    const location = response.headers.get('location');
    return { status: response.status, url: target.href, headers: response.headers, text: await response.text(), location: location === null ? undefined : new URL(location, target).href };
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(/; */);
    const name = pair.slice(0, pair.indexOf('='));
    const expires = attributes.find((attribute) => /^expires=/i.test(attribute));
    const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice(5) ?? '/';
    if (expires !== undefined && Date.parse(expires.slice(8)) < Date.now()) this.cookies.delete(name);
    else this.cookies.set(name, { value: pair.slice(pair.indexOf('=') + 1), path, attributes: attributes.join('; ') });
  }

  /** Goes there, and on as long as redirects stay on this server. */
  async go(url: string): Promise<Page> {
    let page = await this.request(url);
    while (page.location !== undefined && new URL(page.location).origin === new URL(this.origin).origin) page = await this.request(page.location);
    return page;
  }

  /** Fills in and sends the form of a page; follows on as `go` does. */
  async submit(page: Page, fields: Readonly<Record<string, string | readonly string[]>>, headers: Record<string, string> = { origin: this.origin }): Promise<Page> {
    const answer = await this.post(formOf(page).action, { csrf_token: formOf(page).csrfToken, ...fields }, headers);
    return answer.location !== undefined && new URL(answer.location).origin === new URL(this.origin).origin ? this.go(answer.location) : answer;
  }

  post(action: string, fields: Readonly<Record<string, string | readonly string[]>>, headers: Record<string, string> = { origin: this.origin }): Promise<Page> {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(fields)) for (const one of typeof value === 'string' ? [value] : value) body.append(name, one);
    return this.request(action, { method: 'POST', headers, body });
  }
}

export function formOf(page: Page): { action: string; csrfToken: string } {
  const action = /<form[^>]* action="([^"]+)"/.exec(page.text)?.[1];
  const csrfToken = /name="csrf_token" value="([^"]+)"/.exec(page.text)?.[1];
  if (action === undefined || csrfToken === undefined) throw new Error(`no form on ${page.url} (${page.status}): ${page.text.slice(-400)}`);
  return { action: unescape(action), csrfToken: unescape(csrfToken) };
}

export const linksOf = (page: Page): string[] => [...page.text.matchAll(/<a [^>]*href="([^"]+)"/g)].map(([, href]) => unescape(href!));

export const redirectUri = 'https://app.example/cb';

export interface Pkce {
  readonly verifier: string;
  readonly challenge: string;
}
export const newPkce = (): Pkce => {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
};

/** An authorization request of ma_game; `undefined` leaves a parameter out. */
export function authorizeUrl(world: World, pkce: Pkce, changes: Readonly<Record<string, string | undefined>> = {}): string {
  const parameters = { response_type: 'code', client_id: 'ma_game', redirect_uri: redirectUri, scope: 'storage:read', state: 'the-state', code_challenge: pkce.challenge, code_challenge_method: 'S256', ...changes };
  const query = new URLSearchParams(Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined));
  return `${world.issuer}/oauth2/authorize?${query.toString()}`;
}

/** Signs alice in, or whoever has a password, at the page that asks for it. */
export async function signIn(world: World, browser: Browser, page: Page, username = 'alice'): Promise<Page> {
  world.identity.passwords.set(username, `password of ${username}`);
  return browser.submit(page, { username, password: `password of ${username}` });
}

/** The parameters that came back to the mini-app. */
export function answerOf(page: Page): Record<string, string> {
  const url = new URL(page.location ?? 'about:blank');
  if (url.origin + url.pathname !== redirectUri) throw new Error(`not at the mini-app but at ${page.url} (${page.status}) ${page.text.slice(-400)}`);
  // Errors of the flows that are not offered come in the fragment, as those flows would.
  return { ...Object.fromEntries(new URLSearchParams(url.hash.slice(1))), ...Object.fromEntries(url.searchParams) };
}
