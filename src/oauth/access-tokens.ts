import { unixSeconds, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import { isReservedAudience } from './clients.ts';
import { createJwts, type JwtClaims } from './signed-jwt.ts';
import type { SigningKeys } from './keys.ts';
import type { LiveSessions } from './live-sessions.ts';
import { parseScopes } from './scopes.ts';
import type { ProofMethod, Session, SessionOrigin } from './session-repo.ts';

/** Who calls, as an access token that is valid now says. */
export interface AccessTokenPrincipal {
  readonly userId: UserId;
  readonly clientId: string;
  /** The mini-app's id, or a reserved first-party audience. */
  readonly audience: string;
  /** The host client itself acts for the user (decision D2). */
  readonly firstParty: boolean;
  readonly scopes: ReadonlySet<string>;
  readonly sessionId: string;
  readonly walletId: string;
  /** How the user proved who they are when the session began, and when. */
  readonly provenBy: ProofMethod;
  readonly origin: SessionOrigin;
  readonly matrixProvenAt: number;
  readonly deviceId: string | undefined;
  readonly privileged: boolean;
  /** `miniapp_context` of the launch: the one room that the app may name (decision D22). */
  readonly context: Readonly<Record<string, unknown>> | undefined;
}

/** Specification section 4.10, as far as we hold them. */
export interface AccessTokenClaims extends JwtClaims {
  readonly token_type: 'tep_access_token';
  readonly client_id: string;
  readonly azp: string;
  readonly scope: string;
  readonly wallet_id: string;
  readonly session_id: string;
}

export interface UserContext {
  readonly displayName: string | undefined;
  readonly avatarUrl: string | undefined;
}

export interface NewAccessToken {
  readonly session: Session;
  readonly scopes: readonly string[];
  readonly lifetimeMs: number;
  readonly userContext: UserContext | undefined;
}

export interface AccessTokens {
  /** `tep.` and a JWT signed with RS256 (decision D3). */
  sign(token: NewAccessToken): Promise<string>;
  /** Throws INVALID_TOKEN unless the token is ours, in force, and its session lives. */
  verify(token: string): Promise<AccessTokenPrincipal>;
  /** The same judgement; undefined instead of an error. */
  read(token: string): Promise<{ readonly claims: AccessTokenClaims; readonly session: Session } | undefined>;
}

export const tepPrefix = 'tep.';

function claimsOf(issuer: string, nowSeconds: number, token: NewAccessToken): AccessTokenClaims {
  const { session, userContext } = token;
  const scope = token.scopes.join(' ');
  return {
    iss: issuer,
    sub: session.userId,
    aud: session.audience,
    exp: nowSeconds + Math.floor(token.lifetimeMs / 1000),
    iat: nowSeconds,
    nbf: nowSeconds,
    jti: newId('at'),
    token_type: 'tep_access_token',
    client_id: session.clientId,
    azp: session.clientId,
    scope,
    wallet_id: session.walletId,
    session_id: session.id,
    ...(userContext === undefined ? {} : { user_context: { display_name: userContext.displayName, avatar_url: userContext.avatarUrl } }),
    ...(session.context === undefined ? {} : { miniapp_context: session.context }),
    ...(session.provenBy === 'mas' ? { mas_session: { active: true } } : {}),
    ...(session.origin === 'token_exchange' ? { delegated_from: 'matrix_session' } : {}),
    ...(session.deviceId === undefined ? {} : { matrix_session_ref: { device_id: session.deviceId } }),
    ...(session.privilegedUntil === undefined ? {} : { privileged: true, privileged_until: unixSeconds(session.privilegedUntil) }),
  };
}

const fitsSession = (claims: AccessTokenClaims, session: Session): boolean =>
  claims.sub === session.userId && claims.aud === session.audience && claims.client_id === session.clientId && claims.azp === session.clientId;

function principalOf(claims: AccessTokenClaims, session: Session, now: number): AccessTokenPrincipal {
  return {
    userId: session.userId,
    clientId: session.clientId,
    audience: session.audience,
    firstParty: isReservedAudience(session.audience),
    // What the session has lost since the token was signed, the token has lost.
    scopes: new Set(parseScopes(claims.scope).filter((scope) => session.scopes.includes(scope))),
    sessionId: session.id,
    walletId: session.walletId,
    provenBy: session.provenBy,
    origin: session.origin,
    matrixProvenAt: session.provenAt,
    deviceId: session.deviceId,
    privileged: session.privilegedUntil !== undefined && session.privilegedUntil > now,
    context: session.context,
  };
}

export function createAccessTokens(options: { issuer: string; clock: Clock; keys: SigningKeys; sessions: LiveSessions }): AccessTokens {
  const { issuer, clock, keys, sessions } = options;
  const jwts = createJwts({ issuer, clock, keys });

  /** The claims, if the signature and everything that the token alone can tell are right. */
  const readClaims = async (token: string): Promise<AccessTokenClaims | undefined> => {
    if (!token.startsWith(tepPrefix)) return undefined;
    const claims = (await jwts.verify(token.slice(tepPrefix.length), 'tep_access_token')) as AccessTokenClaims | undefined;
    return claims === undefined || typeof claims.session_id !== 'string' ? undefined : claims;
  };

  const read: AccessTokens['read'] = async (token) => {
    const claims = await readClaims(token);
    if (claims === undefined) return undefined;
    const session = await sessions.find(claims.session_id);
    return session !== undefined && session.expiresAt > clock.now() && fitsSession(claims, session) ? { claims, session } : undefined;
  };

  return {
    async sign(token) {
      const claims = claimsOf(issuer, unixSeconds(clock.now()), token);
      // A deployed client reads the segment after "tep.", which is the header, as if it were the payload (decision D3).
      return tepPrefix + (await jwts.sign(claims, { scope: claims.scope }));
    },
    async verify(token) {
      const valid = await read(token);
      if (valid === undefined) throw new AppError('INVALID_TOKEN', 'Invalid or expired TEP token');
      return principalOf(valid.claims, valid.session, clock.now());
    },
    read,
  };
}
