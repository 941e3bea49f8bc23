import { AsyncLocalStorage } from 'node:async_hooks';
import type { Transaction } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { ProvenUser } from '../matrix/proof/index.ts';
import { createAccessTokens, type AccessTokenPrincipal } from './access-tokens.ts';
import { isSecretOf } from './clients.ts';
import type { OAuthDeps, OAuthParts } from './deps.ts';
import { createJwts, type Jwts } from './signed-jwt.ts';
import { createSigningKeys } from './keys.ts';
import { createLiveSessions } from './live-sessions.ts';
import { grantedScopes, recordAnswer } from './consent-repo.ts';
import { createMiddleware, type Middleware } from './middleware.ts';
import { OAuthError } from './oauth-error.ts';
import { createProvider } from './provider.ts';
import { proveUser } from './prove.ts';
import { markRevoked } from './session-repo.ts';

export type { AccessTokenPrincipal, UserContext } from './access-tokens.ts';
export { reservedAudiences, isReservedAudience, type ClientDirectory, type OAuthClient, type ReservedAudience } from './clients.ts';
export type { OAuthDeps, OAuthOptions } from './deps.ts';
export type { Jwts, JwtClaims } from './signed-jwt.ts';
export type { Middleware } from './middleware.ts';
export { scopeDefinitions, type ScopeDefinition, type Sensitivity } from './scopes.ts';
export type { ProofMethod, SessionOrigin } from './session-repo.ts';
export { purgeExpired } from './cleanup-repo.ts';
export { requireFittingRing } from './key-ring-fit.ts';

/** Whose sessions end; every field that is given must fit, and one must be given. */
export interface RevokedSessions {
  readonly sessionId?: string;
  readonly userId?: string;
  readonly miniappId?: string;
  readonly clientId?: string;
}

/** The authorization server. */
export interface OAuth {
  /** At the start: makes signing keys where there are none. */
  prepare(): Promise<void>;
  /** Serves `/oauth2/*` and the well-known documents; calls `next` for other paths. No body parser may run before it. */
  readonly middleware: Middleware;
  /** Throws AppError INVALID_TOKEN. Well under a millisecond of own work. */
  verifyAccessToken(token: string): Promise<AccessTokenPrincipal>;
  /** Throws AppError INVALID_TOKEN unless this is a confidential client and one of its secrets (decision D8: CLIENT). */
  verifyClientSecret(clientId: string, secret: string): Promise<{ readonly clientId: string; readonly miniappId: string }>;
  /** Throws AppError INVALID_TOKEN, or SERVICE_UNAVAILABLE when the token could not be checked. */
  verifyMatrixToken(token: string): Promise<ProvenUser>;
  /**
   * Ends sessions, and with them their access and refresh tokens: here as soon as the transaction commits, on other instances
   * within a second. Returns how many.
   */
  revokeSessions(tx: Transaction, which: RevokedSessions): Promise<number>;
  /** A user is done with a mini-app: its sessions end, and what they granted it is withdrawn. */
  withdraw(tx: Transaction, from: { readonly userId: UserId; readonly miniappId: string }, method: string): Promise<void>;
  /** For tokens of other kinds that the same keys sign, such as developers'. They live `options.otherTokenMs` at most. */
  readonly jwts: Jwts;
  /** Makes the next signing key the current one (`tmcp keys rotate`). Returns its kid. */
  rotateSigningKeys(): Promise<string>;
}

export function createOAuth(deps: OAuthDeps): OAuth {
  const { database, clock, keyRing, log, options } = deps;
  const longestTokenMs = Math.max(options.accessTokenMs, options.firstPartyTokenMs, options.otherTokenMs ?? 0);
  const keys = createSigningKeys({ database, clock, keyRing, log, longestTokenMs });
  const sessions = createLiveSessions(database, clock);
  const tokens = createAccessTokens({ issuer: options.issuer, clock, keys, sessions });
  const parts: OAuthParts = { ...deps, keys, sessions, tokens, ambient: new AsyncLocalStorage() };
  const provider = createProvider(parts);
  const revokeSessions: OAuth['revokeSessions'] = async (tx, { sessionId, userId, miniappId, clientId }) => {
    const filter = {
      ...(sessionId === undefined ? {} : { id: sessionId }),
      ...(userId === undefined ? {} : { userId }),
      ...(miniappId === undefined ? {} : { audience: miniappId }),
      ...(clientId === undefined ? {} : { clientId }),
    };
    const ended = await markRevoked(tx, filter, clock.now());
    tx.afterCommit(() => sessions.forget(ended));
    return ended.length;
  };
  return {
    prepare: () => keys.prepare(),
    middleware: createMiddleware(provider, parts),
    verifyAccessToken: (token) => tokens.verify(token),
    async verifyClientSecret(clientId, secret) {
      const client = await deps.clients.findClient(clientId);
      const usable = client !== undefined && client.kind === 'confidential' && (client.active || client.owners.length > 0);
      if (!usable || !isSecretOf(client, secret)) throw new AppError('INVALID_TOKEN', 'Invalid client credentials');
      return { clientId, miniappId: client.miniappId };
    },
    async verifyMatrixToken(token) {
      try {
        return await proveUser(deps.proof, log, { token, tokenType: 'access_token', presentedBy: 'user' });
      } catch (error) {
        if (!(error instanceof OAuthError)) throw error;
        throw new AppError(error.status === 503 ? 'SERVICE_UNAVAILABLE' : 'INVALID_TOKEN', error.error_description ?? error.error);
      }
    },
    revokeSessions,
    async withdraw(tx, { userId, miniappId }, method) {
      await revokeSessions(tx, { userId, miniappId });
      await recordAnswer(tx, { userId, miniappId }, [...(await grantedScopes(tx, userId, miniappId))], 'revoked', method, clock.now());
    },
    jwts: createJwts({ issuer: options.issuer, clock, keys }),
    rotateSigningKeys: () => keys.rotate(),
  };
}
