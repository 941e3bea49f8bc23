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
}
export interface AnonymousPrincipal {
  readonly kind: 'anonymous';
}
export type Principal = SessionPrincipal | AdminPrincipal | MatrixPrincipal | ClientPrincipal | AnonymousPrincipal;

/** Each throws AppError INVALID_TOKEN for a credential that is not good now. */
export interface Authenticators {
  /** A `tep.` token: a user's, or a client's own. */
  accessToken(token: string): Promise<SessionPrincipal | ClientPrincipal>;
  adminToken(token: string): Promise<AdminPrincipal>;
  matrixToken(token: string): Promise<MatrixPrincipal>;
  clientSecret(clientId: string, secret: string): Promise<ClientPrincipal>;
}

const missing = (): AppError => new AppError('INVALID_TOKEN', 'Missing access token');

/** Each kind of token carries its kind in front; what carries none is the homeserver's. */
function schemeOf(token: string): Scheme {
  if (token.startsWith('tep.')) return 'tep';
  if (token.startsWith('adm_')) return 'admin';
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

/**
 * The one place where a request is let in or not: who calls (by what the operation's `security` accepts), from which client
 * (`x-audiences`), with which scopes. Throws INVALID_TOKEN (401) or INSUFFICIENT_PERMISSIONS (403).
 */
export async function decideAccess(operation: Operation, authorization: string | undefined, authenticators: Authenticators): Promise<Principal> {
  const accepted = operation.access;
  if (accepted.length === 0) return { kind: 'anonymous' };
  if (authorization === undefined) {
    if (accepted.some((access) => access.scheme === 'none')) return { kind: 'anonymous' };
    throw missing();
  }
  const [, method = '', value = ''] = /^(\S+) +(\S+) *$/.exec(authorization) ?? [];
  const scheme: Scheme = method.toLowerCase() === 'basic' ? 'client' : schemeOf(value);
  if (value === '' || !['basic', 'bearer'].includes(method.toLowerCase())) throw missing();
  if (scheme === 'tep') return authorizeToken(operation, await authenticators.accessToken(value));
  accessFor(operation, scheme);
  switch (scheme) {
    case 'admin':
      return authenticators.adminToken(value);
    case 'matrix':
      return authenticators.matrixToken(value);
    case 'client': {
      const { clientId, secret } = parseBasic(value);
      return authenticators.clientSecret(clientId, secret);
    }
  }
}

/** How the operation accepts this scheme. Throws INVALID_TOKEN when it does not. */
function accessFor(operation: Operation, scheme: Scheme): Access {
  const access = operation.access.find((one) => one.scheme === scheme);
  if (access === undefined) throw new AppError('INVALID_TOKEN', 'This endpoint does not accept this kind of credential');
  return access;
}

/** A client's own token counts where its secret does, and nowhere for a user. */
function authorizeToken(operation: Operation, principal: SessionPrincipal | ClientPrincipal): Principal {
  if (principal.kind === 'client') {
    accessFor(operation, 'client');
    return principal;
  }
  return authorizeSession(operation, accessFor(operation, 'tep').scopes, principal);
}

function authorizeSession(operation: Operation, scopes: readonly string[], principal: SessionPrincipal): SessionPrincipal {
  if (operation.audiences !== undefined && !operation.audiences.includes(principal.audience)) {
    throw new AppError('INSUFFICIENT_PERMISSIONS', `This endpoint is for ${operation.audiences.join(', ')}`, { details: { required_audience: operation.audiences } });
  }
  const lacking = scopes.filter((scope) => !principal.scopes.has(scope));
  if (lacking.length > 0) throw new AppError('INSUFFICIENT_PERMISSIONS', `Missing required scope: ${lacking.join(' ')}`, { details: { required_scopes: lacking } });
  return principal;
}
