import { HttpConnections } from '../../security/http-request.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { UserId } from '../../kernel/ids.ts';
import type { Log } from '../../kernel/log.ts';
import { createHomeserverLogin } from './homeserver.ts';
import { createMasLogin } from './mas.ts';

/** How a user can sign in on our pages, by what their homeserver offers (specification sections 4.2 and 16.10). */
export type SignInWay = { readonly kind: 'password' } | { readonly kind: 'mas'; readonly label: string } | { readonly kind: 'sso'; readonly label: string; readonly providerId: string | undefined };

/** Ways that lead elsewhere and come back to `/oauth2/callback`. */
export type RedirectWay = 'mas' | 'sso';

export interface RedirectStart {
  readonly way: RedirectWay;
  /** For `sso`: which of the homeserver's identity providers. */
  readonly providerId: string | undefined;
  readonly state: string;
  /** PKCE (RFC 7636): its hash goes along, it itself stays here. */
  readonly codeVerifier: string;
  /** Our `/oauth2/callback`, without a query. */
  readonly callback: string;
}

export interface RedirectReturn {
  readonly way: RedirectWay;
  readonly codeVerifier: string;
  readonly callback: string;
  readonly query: URLSearchParams;
}

/**
 * Signs users in with their homeserver. The Matrix id comes from MAS's introspection or from the homeserver's own login and
 * `whoami`, never from anybody else's claims (decision D1). What was obtained on the way is given back at once: no token stays.
 */
export interface SignIn {
  /** Throws ProofUnavailable. */
  ways(): Promise<readonly SignInWay[]>;
  /** Where to send the browser. Throws ProofUnavailable. */
  start(start: RedirectStart): Promise<URL>;
  /** Throws ProofRefused or ProofUnavailable. */
  finish(back: RedirectReturn): Promise<UserId>;
  /** Throws ProofRefused, also where the homeserver has a better way, or ProofUnavailable. */
  withPassword(username: string, password: string): Promise<UserId>;
}

export interface SignInOptions {
  /** `publicUrl`: as browsers reach it. */
  readonly homeserver: { readonly url: string; readonly publicUrl: string; readonly domain: string };
  readonly mas: { readonly issuer: string; readonly clientId: string; readonly clientSecret: string } | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export function createSignIn(options: SignInOptions): SignIn & { close(): Promise<void> } {
  const connections = new HttpConnections();
  const homeserver = createHomeserverLogin({ ...options.homeserver, connections, clock: options.clock, log: options.log });
  const mas = options.mas === undefined ? undefined : createMasLogin({ ...options.mas, domain: options.homeserver.domain, connections, log: options.log });
  return {
    ways: () => (mas === undefined ? homeserver.ways() : Promise.resolve([{ kind: 'mas', label: 'Continue with your homeserver' }])),
    start: (start) => (mas === undefined ? Promise.resolve(homeserver.start(start)) : mas.start(start)),
    finish: (back) => (mas === undefined ? homeserver.finish(back) : mas.finish(back)),
    withPassword: (username, password) => homeserver.withPassword(username, password, mas === undefined),
    close: () => connections.close(),
  };
}
