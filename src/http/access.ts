import { AppError } from '../kernel/errors.ts';
import type { MiniAppId, UserId } from '../kernel/ids.ts';
import type { Access, Operation, Scheme } from './contract.ts';

/** A user, acting through a client: what an access token (TEP) says. */
export interface SessionPrincipal {
  readonly kind: 'session';
  readonly userId: UserId;
  readonly clientId: string;
  /** A mini-app's id or a reserved audience (`tmcp_store`, …). */
  readonly audience: string;
  readonly scopes: ReadonlySet<string>;
  readonly sessionId: string;
  /** How the user proved who they are when the session began, when (milliseconds), and by which way the session came to be (decision D20). */
  readonly provenBy: 'openid' | 'whoami' | 'mas' | 'sign_in';
  readonly matrixProvenAt: number;
  readonly origin: 'token_exchange' | 'authorization_code' | 'device_code';
  /** `miniapp_context` of the launch: the one room that an app may name (decision D22). */
  readonly context?: Readonly<Record<string, unknown>> | undefined;
  /** Holds privileged scopes now: each use is audited (decision D3). */
  readonly privileged: boolean;
}
/** An administrator of this server: who, for the audit trail. */
export interface AdminPrincipal {
  readonly kind: 'admin';
  readonly name: string;
}
/** A user, proven by their own Matrix access token. */
export interface MatrixPrincipal {
  readonly kind: 'matrix';
  readonly userId: UserId;
}
/** A mini-app's backend, proven by its client secret or by a token that it got for itself. */
export interface ClientPrincipal {
  readonly kind: 'client';
  readonly clientId: string;
  readonly miniappId: MiniAppId;
  /** With its secret: all that it has registered. With a token of its own: that token's. */
  readonly scopes: ReadonlySet<string>;
  /** As of a session; never with the secret itself. */
  readonly privileged: boolean;
}
/** A developer (specification section 4.4). What they may do is looked up at each request, not read from the token (decision D23). */
export interface DeveloperPrincipal {
  readonly kind: 'developer';
  readonly userId: UserId;
  /** The same as the user id: specification section 4.4.2. */
  readonly developerId: string;
  readonly sessionId: string;
}
/** The developer console, proven by its secret (specification section 4.4.9). */
export interface PlatformPrincipal {
  readonly kind: 'platform';
  readonly clientId: string;
}
export interface AnonymousPrincipal {
  readonly kind: 'anonymous';
}
export type Principal = SessionPrincipal | AdminPrincipal | MatrixPrincipal | ClientPrincipal | DeveloperPrincipal | PlatformPrincipal | AnonymousPrincipal;

/** Each throws an AppError with status 401 for a credential that is not good now. */
export interface Authenticators {
  /** A `tep.` token: a user's, or a client's own. */
  accessToken(token: string): Promise<SessionPrincipal | ClientPrincipal>;
  adminToken(token: string): Promise<AdminPrincipal>;
  matrixToken(token: string): Promise<MatrixPrincipal>;
  clientSecret(clientId: string, secret: string): Promise<ClientPrincipal>;
  developerToken(token: string): Promise<DeveloperPrincipal>;
  platformSecret(clientId: string, secret: string): Promise<PlatformPrincipal>;
}

const missing = (): AppError => new AppError('INVALID_TOKEN', 'Missing access token');

/** Each kind of token carries its kind in front; what carries none is the homeserver's. */
function schemeOf(token: string): Scheme {
  if (token.startsWith('tep.')) return 'tep';
  if (token.startsWith('adm_')) return 'admin';
  if (token.startsWith('dev.')) return 'developer';
  return 'matrix';
}

function parseBasic(value: string): { clientId: string; secret: string } {
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) throw new AppError('INVALID_TOKEN', 'Malformed Basic credentials');
  try {
    return { clientId: decodeURIComponent(text.slice(0, colon)), secret: decodeURIComponent(text.slice(colon + 1)) };
  } catch {
    throw new AppError('INVALID_TOKEN', 'Malformed Basic credentials');
  }
}

const platformSchemes: readonly (Scheme | 'none')[] = ['developer', 'admin', 'platform'];

/** Endpoints of the platform itself: nothing that belongs to a mini-app opens them (specification section 4.4.9). */
const isForPlatform = ({ access }: Operation): boolean => access.some(({ scheme }) => platformSchemes.includes(scheme));

const forbiddenToMiniApps = (): AppError =>
  new AppError('forbidden_platform_endpoint', 'This endpoint is only accessible by platform services. Mini-apps do not have required privileges.');

interface Credentials {
  readonly scheme: Scheme;
  readonly value: string;
}

/** What the `Authorization` header holds; a Basic one is the platform's where the operation is for it. */
function readCredentials(operation: Operation, authorization: string): Credentials {
  const space = authorization.indexOf(' ');
  const method = authorization.slice(0, Math.max(space, 0)).toLowerCase();
  const value = authorization.slice(space + 1).trim();
  if (value === '' || value.includes(' ') || (method !== 'basic' && method !== 'bearer')) throw missing();
  if (method === 'bearer') return { scheme: schemeOf(value), value };
  return { scheme: operation.access.some(({ scheme }) => scheme === 'platform') ? 'platform' : 'client', value };
}

/** Throws when the credentials are not good now, whatever they may open. */
async function authenticate({ scheme, value }: Credentials, authenticators: Authenticators): Promise<Exclude<Principal, AnonymousPrincipal>> {
  switch (scheme) {
    case 'tep':
      return authenticators.accessToken(value);
    case 'admin':
      return authenticators.adminToken(value);
    case 'matrix':
      return authenticators.matrixToken(value);
    case 'developer':
      return authenticators.developerToken(value);
    case 'client':
    case 'platform': {
      const { clientId, secret } = parseBasic(value);
      return scheme === 'client' ? authenticators.clientSecret(clientId, secret) : authenticators.platformSecret(clientId, secret);
    }
  }
}

/**
 * The one place where a request is let in or not: who calls (by what the operation's `security` accepts), from which client
 * (`x-audiences`), with which scopes. Throws with status 401 for credentials that are not good or not of an accepted kind, 403
 * for good ones that do not suffice; a mini-app's at an endpoint of the platform get `forbidden_platform_endpoint`.
 */
export async function decideAccess(operation: Operation, authorization: string | undefined, authenticators: Authenticators): Promise<Principal> {
  const accepted = operation.access;
  if (accepted.length === 0) return { kind: 'anonymous' };
  if (authorization === undefined) {
    if (accepted.some((access) => access.scheme === 'none')) return { kind: 'anonymous' };
    throw missing();
  }
  const credentials = readCredentials(operation, authorization);
  if (!isReadFirst(operation, credentials.scheme)) accessFor(operation, credentials.scheme);
  const principal = await authenticate(credentials, authenticators);
  if (principal.kind === 'session') return authorizeSession(operation, principal);
  // A client's own token counts where its secret does, and nowhere for a user.
  accessFor(operation, principal.kind);
  return principal;
}

/** Whose a `tep.` token is, a user's or a client's own, it says itself; and only to credentials that are good does the platform explain that they do not suffice. */
const isReadFirst = (operation: Operation, scheme: Scheme): boolean => scheme === 'tep' || (scheme === 'client' && isForPlatform(operation));

/** How the operation accepts this scheme. Throws when it does not. */
function accessFor(operation: Operation, scheme: Scheme): Access {
  const access = operation.access.find((one) => one.scheme === scheme);
  if (access !== undefined) return access;
  if (isForPlatform(operation) && (scheme === 'tep' || scheme === 'client')) throw forbiddenToMiniApps();
  throw new AppError('INVALID_TOKEN', 'This endpoint does not accept this kind of credential');
}

function authorizeSession(operation: Operation, principal: SessionPrincipal): SessionPrincipal {
  accessFor(operation, 'tep');
  if (operation.audiences !== undefined && !operation.audiences.includes(principal.audience)) {
    throw new AppError('INSUFFICIENT_PERMISSIONS', `This endpoint is for ${operation.audiences.join(', ')}`, { details: { required_audience: operation.audiences } });
  }
  // Of several ways in, one is enough; what is lacking is said of the first.
  const ways = operation.access.filter(({ scheme }) => scheme === 'tep').map(({ scopes }) => scopes.filter((scope) => !principal.scopes.has(scope)));
  const lacking = ways.some((missing) => missing.length === 0) ? [] : (ways[0] ?? []);
  if (lacking.length > 0) throw new AppError('INSUFFICIENT_PERMISSIONS', `Missing required scope: ${lacking.join(' ')}`, { details: { required_scopes: lacking } });
  return principal;
}
