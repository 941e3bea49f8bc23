import { HttpConnections } from '../../security/http-request.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { UserId } from '../../kernel/ids.ts';
import type { Log } from '../../kernel/log.ts';
import { createHomeserverLogin } from './homeserver.ts';
import { createMasLogin } from './mas.ts';

export { matrixApiScope } from './mas.ts';

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
  /** Asks MAS for the right to act for the user, on a device of its own. */
  readonly actForUser: boolean;
}

/** Tokens of the Matrix Authentication Service with which we act for a user (specification section 4.16). */
export interface MatrixTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresInSeconds: number;
}

/** Who signed in; with tokens when they were asked for and given. */
export interface SignedInUser {
  readonly userId: UserId;
  readonly tokens?: MatrixTokens;
}

/** What MAS does with tokens that it gave us. Throws ProofUnavailable. */
export interface MatrixTokenService {
  /** Undefined when the grant is over. */
  refresh(refreshToken: string): Promise<MatrixTokens | undefined>;
  /** Ends the grant with all its tokens and its device; one that is over already is no error (RFC 7009). */
  revoke(refreshToken: string): Promise<void>;
}

export interface RedirectReturn {
  readonly way: RedirectWay;
  readonly codeVerifier: string;
  readonly callback: string;
  readonly query: URLSearchParams;
  /** As at the start: then the tokens are handed over; otherwise what was obtained is given back at once. */
  readonly actForUser: boolean;
}

/**
 * Signs users in with their homeserver. The Matrix id comes from MAS's introspection or from the homeserver's own login and
 * `whoami`, never from anybody else's claims (decision D1). What was obtained on the way is given back at once, unless MAS was
 * asked for the right to act for the user.
 */
export interface SignIn {
  /** Throws ProofUnavailable. */
  ways(): Promise<readonly SignInWay[]>;
  /** Where to send the browser. Throws ProofUnavailable. */
  start(start: RedirectStart): Promise<URL>;
  /** Throws ProofRefused or ProofUnavailable. */
  finish(back: RedirectReturn): Promise<SignedInUser>;
  /** Throws ProofRefused, also where the homeserver has a better way, or ProofUnavailable. */
  withPassword(username: string, password: string): Promise<UserId>;
  /** Undefined without MAS. */
  readonly tokens: MatrixTokenService | undefined;
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
    finish: (back) => (mas === undefined ? homeserver.finish(back).then((userId) => ({ userId })) : mas.finish(back)),
    withPassword: (username, password) => homeserver.withPassword(username, password, mas === undefined),
    tokens: mas,
    close: () => connections.close(),
  };
}
