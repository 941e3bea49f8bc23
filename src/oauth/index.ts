import { AsyncLocalStorage } from 'node:async_hooks';
import type { Transaction } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import type { ProvenUser } from '../matrix/proof/index.ts';
import { createAccessTokens, type AccessTokenPrincipal } from './access-tokens.ts';
import { endBrowserSessions } from './browser-session-repo.ts';
import { findLiveClientSession, revokeClientSessions } from './client-session-repo.ts';
import { createClientTokens, type ClientTokenPrincipal } from './client-tokens.ts';
import { isSecretOf, type OAuthClient } from './clients.ts';
import type { OAuthDeps, OAuthParts } from './deps.ts';
import { createJwts, createSignedTokens, type Jwts } from './jwt.ts';
import { createSigningKeys } from './keys.ts';
import { createLimits } from './limits.ts';
import { createLiveCache, type LiveCacheOptions } from '../kernel/live-cache.ts';
import type { WakeTopic } from '../kernel/wakes.ts';
import { createMiddleware, type Middleware } from './middleware.ts';
import { limitRefusal, OAuthError } from './oauth-error.ts';
import { createProvider } from './provider.ts';
import { proveUser } from './prove.ts';
import { createAuthorizations, type Authorizations } from './revocation.ts';
import { obtainableScopes } from './scopes.ts';
import { findLiveSession, holdLiveSession, listLiveSessions, lockUserWallet, markRevoked } from './session-repo.ts';
import { noStepUp, withAvailability } from './step-up.ts';

export type { AccessTokenPrincipal } from './access-tokens.ts';
export type { RoomStanding, UserContext } from './token-facts.ts';
export type { ClientTokenPrincipal } from './client-tokens.ts';
export { reservedAudiences, isReservedAudience, type ClientDirectory, type OAuthClient, type ReservedAudience } from './clients.ts';
export type { OAuthDeps, OAuthAudit, OAuthOptions } from './deps.ts';
export type { DeveloperSignIn } from './developer-pages.ts';
export type { LimitOptions, LimitStore } from './limits.ts';
export type { Admission } from './deps.ts';
export type { StepUp, StepUpMethod } from './step-up.ts';
export type { RevokedScopes } from './events.ts';
export { oauthRoutes } from './routes.ts';
export type { Middleware } from './middleware.ts';
export { scopeDefinitions, type ScopeDefinition, type Sensitivity } from './scopes.ts';
export type { ProofMethod, SessionOrigin } from './session-repo.ts';
export { appsGranted, grantedScopes, usersWhoGranted } from './consent-repo.ts';
export { purgeExpired } from './cleanup-repo.ts';

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
  /** Either kind of token that begins with `tep.`: a user's, or one that a client got for itself. Throws AppError INVALID_TOKEN. */
  verifyBearer(token: string): Promise<{ readonly kind: 'user'; readonly principal: AccessTokenPrincipal } | { readonly kind: 'client'; readonly principal: ClientTokenPrincipal }>;
  /** Throws AppError INVALID_TOKEN unless this is a confidential client and one of its secrets (decision D8: CLIENT). */
  verifyClientSecret(clientId: string, secret: string): Promise<{ readonly clientId: string; readonly miniappId: string; readonly scopes: ReadonlySet<string> }>;
  /** Throws AppError INVALID_TOKEN, USER_SUSPENDED, or SERVICE_UNAVAILABLE when the token could not be checked. */
  verifyMatrixToken(token: string): Promise<ProvenUser>;
  /**
   * Ends sessions, and with them their access and refresh tokens: here as soon as the transaction commits, on other instances
   * within a second. Returns how many.
   */
  revokeSessions(tx: Transaction, which: RevokedSessions): Promise<number>;
  /** Ends all that a user has open, browsers too: nothing that was being opened meanwhile is left. Returns how many sessions. */
  endUser(tx: Transaction, userId: UserId): Promise<number>;
  /** Throws AppError INVALID_TOKEN unless the session lives; then it does until the transaction ends, because who ends it waits. */
  requireSession(tx: Transaction, sessionId: string): Promise<void>;
  /** Which of these sessions of users live. */
  listLiveSessions(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** A user is done with a mini-app: its sessions end, and what they granted it is withdrawn. */
  withdraw(tx: Transaction, from: { readonly userId: UserId; readonly miniappId: string }, reason: 'user_initiated' | 'uninstall'): Promise<void>;
  /** What users have granted to mini-apps. */
  readonly authorizations: Authorizations;
  findClient(clientId: string): Promise<OAuthClient | undefined>;
  inTransaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** For tokens of other kinds that the same keys sign, such as developers'. They live `options.otherTokenMs` at most. */
  readonly jwts: Jwts;
  /** Makes the next signing key the current one (`tmcp keys rotate`). Returns its kid. */
  rotateSigningKeys(): Promise<string>;
  /** A chore: rotates when the current key has signed for long enough (decision D24). Returns whether it did. */
  rotateDueKeys(tx: Transaction, maxAgeMs: number): Promise<boolean>;
}

async function verifyMatrixToken({ proof, log, database, isSuspended }: OAuthDeps, token: string): Promise<ProvenUser> {
  let user: ProvenUser;
  try {
    user = await proveUser(proof, log, { token, tokenType: 'access_token', presentedBy: 'user' });
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    throw new AppError(error.status === 503 ? 'SERVICE_UNAVAILABLE' : 'INVALID_TOKEN', error.error_description ?? error.error);
  }
  if ((await isSuspended?.(database, user.userId)) === true) throw new AppError('USER_SUSPENDED', 'This account is suspended');
  return user;
}
const admitTokensOf =
  ({ admission }: OAuthDeps): OAuthParts['admitTokens'] =>
  async (...who) => {
    await admission?.tokens(...who).catch((error: unknown) => {
      throw limitRefusal(error);
    });
  };

export function createOAuth(deps: OAuthDeps): OAuth {
  const { database, clock, keyRing, log, options } = deps;
  const longestTokenMs = Math.max(options.accessTokenMs, options.firstPartyTokenMs, options.clientTokenMs, options.privilegedTokenMs, options.otherTokenMs ?? 0);
  const keys = createSigningKeys({ database, clock, keyRing, log, longestTokenMs });
  const shared = (topic: WakeTopic): LiveCacheOptions => (deps.wakes === undefined ? {} : { shared: { wakes: deps.wakes, topic } });
  const sessions = createLiveCache(clock, (id, now) => findLiveSession(database, id, now), shared('sessions'));
  const clientSessions = createLiveCache(clock, (id, now) => findLiveClientSession(database, id, now), shared('client_sessions'));
  const jwts = createJwts({ issuer: options.issuer, clock, keys });
  const signed = createSignedTokens(jwts);
  const tokens = createAccessTokens({ issuer: options.issuer, clock, tokens: signed, sessions });
  const clientTokens = createClientTokens({ issuer: options.issuer, clock, tokens: signed, sessions: clientSessions });
  const parts: OAuthParts = { ...deps, keys, sessions, clientSessions, tokens, clientTokens, ambient: new AsyncLocalStorage(), openedWith: new WeakMap(), drafts: new WeakMap(), stepUp: withAvailability(deps.stepUp ?? noStepUp), limits: createLimits(options.limits, deps.limitStore), admitTokens: admitTokensOf(deps) };
  const provider = createProvider(parts);
  const authorizations = createAuthorizations(parts);
  const revokeSessions: OAuth['revokeSessions'] = async (tx, { sessionId, userId, miniappId, clientId }) => {
    const filter = {
      ...(sessionId === undefined ? {} : { id: sessionId }),
      ...(userId === undefined ? {} : { userId }),
      ...(miniappId === undefined ? {} : { audience: miniappId }),
      ...(clientId === undefined ? {} : { clientId }),
    };
    const ended = await markRevoked(tx, filter, clock.now());
    tx.afterCommit(() => sessions.forget(ended));
    // A whole mini-app or client: what its backend holds for itself ends too.
    if (userId !== undefined || sessionId !== undefined) return ended.length;
    const own = await revokeClientSessions(tx, { ...(miniappId === undefined ? {} : { miniappId }), ...(clientId === undefined ? {} : { clientId }) }, clock.now());
    tx.afterCommit(() => clientSessions.forget(own));
    return ended.length + own.length;
  };
  return {
    prepare: () => keys.prepare(),
    middleware: createMiddleware(provider, parts, authorizations),
    verifyAccessToken: (token) => tokens.verify(token),
    async verifyBearer(token) {
      const claims = await signed.read(token);
      const user = await tokens.findPrincipal(claims);
      if (user !== undefined) return { kind: 'user', principal: user };
      const client = await clientTokens.findPrincipal(claims);
      if (client === undefined) throw new AppError('INVALID_TOKEN', 'Invalid or expired TEP token');
      return { kind: 'client', principal: client };
    },
    async verifyClientSecret(clientId, secret) {
      const client = await deps.clients.findClient(clientId);
      const usable = client !== undefined && client.kind === 'confidential' && (client.active || client.owners.length > 0);
      if (!usable || !isSecretOf(client, secret)) throw new AppError('INVALID_TOKEN', 'Invalid client credentials');
      return { clientId, miniappId: client.miniappId, scopes: new Set(obtainableScopes(client)) };
    },
    verifyMatrixToken: (token) => verifyMatrixToken(deps, token),
    revokeSessions,
    async endUser(tx, userId) {
      // The same lock as whoever opens a session takes.
      await lockUserWallet(tx, userId, newId('tw'), clock.now());
      return (await revokeSessions(tx, { userId })) + (await endBrowserSessions(tx, userId));
    },
    async requireSession(tx, sessionId) {
      if (!(await holdLiveSession(tx, sessionId, clock.now()))) throw new AppError('INVALID_TOKEN', 'Invalid or expired TEP token');
    },
    listLiveSessions: (ids) => listLiveSessions(database, ids, clock.now()),
    authorizations,
    findClient: (clientId) => deps.clients.findClient(clientId),
    inTransaction: (work) => database.inTransaction(work),
    async withdraw(tx, { userId, miniappId }, reason) {
      await authorizations.revoke(tx, { userId, miniappId, scopes: undefined, reason });
    },
    jwts,
    rotateSigningKeys: () => keys.rotate(),
    rotateDueKeys: (tx, maxAgeMs) => keys.rotateIfDue(tx, maxAgeMs),
  };
}
