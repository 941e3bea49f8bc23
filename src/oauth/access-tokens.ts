import { unixSeconds, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import { isReservedAudience } from './clients.ts';
import type { SignedTokens, TokenClaims } from './jwt.ts';
import type { LiveCache } from '../kernel/live-cache.ts';
import { parseScopes } from './scopes.ts';
import { factClaims, type TokenFacts } from './token-facts.ts';
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
export interface AccessTokenClaims extends TokenClaims {
  readonly token_type: typeof accessTokenType;
  readonly wallet_id: string;
}

export interface NewAccessToken {
  readonly session: Session;
  readonly scopes: readonly string[];
  readonly lifetimeMs: number;
  readonly facts: TokenFacts;
}

export interface AccessTokens {
  /** `tep.` and a JWT signed with RS256 (decision D3). */
  sign(token: NewAccessToken): Promise<string>;
  /** Who calls, by claims whose signature is good; undefined when they are not a user's, or their session does not live. */
  findPrincipal(claims: TokenClaims | undefined): Promise<AccessTokenPrincipal | undefined>;
  /** Throws INVALID_TOKEN unless the token is ours, in force, and its session lives. */
  verify(token: string): Promise<AccessTokenPrincipal>;
  /** The same judgement; undefined instead of an error. */
  read(token: string): Promise<{ readonly claims: AccessTokenClaims; readonly session: Session } | undefined>;
}

export const accessTokenType = 'tep_access_token';

function claimsOf(issuer: string, nowSeconds: number, token: NewAccessToken): AccessTokenClaims {
  const { session, facts } = token;
  const scope = token.scopes.join(' ');
  return {
    iss: issuer,
    sub: session.userId,
    aud: session.audience,
    exp: nowSeconds + Math.floor(token.lifetimeMs / 1000),
    iat: nowSeconds,
    nbf: nowSeconds,
    jti: newId('at'),
    token_type: accessTokenType,
    client_id: session.clientId,
    azp: session.clientId,
    scope,
    wallet_id: session.walletId,
    session_id: session.id,
    ...factClaims(facts),
    ...(session.context === undefined ? {} : { miniapp_context: session.context }),
    // Section 3.1.2 wants it always; it was active when it proved the user, and only then.
    mas_session: { active: session.provenBy === 'mas' },
    ...(session.origin === 'token_exchange' ? { delegated_from: 'matrix_session' } : {}),
    ...(session.deviceId === undefined ? {} : { matrix_session_ref: { device_id: session.deviceId } }),
    ...(session.privilegedUntil === undefined ? {} : { privileged: true, privileged_until: unixSeconds(session.privilegedUntil) }),
  };
}

const parsed = new WeakMap<AccessTokenClaims, ReadonlySet<string>>();

/** The claims of a token that is shown again and again are the same object (jwt.ts). */
function scopesOf(claims: AccessTokenClaims): ReadonlySet<string> {
  const scopes = parsed.get(claims) ?? new Set(parseScopes(claims.scope));
  parsed.set(claims, scopes);
  return scopes;
}

/** A token that holds a scope which its session has lost since is over as a whole (section 5.6). */
const keepsItsScopes = (claims: AccessTokenClaims, session: Session): boolean => [...scopesOf(claims)].every((scope) => session.scopes.includes(scope));

const fitsSession = (claims: AccessTokenClaims, session: Session): boolean =>
  keepsItsScopes(claims, session) && claims.sub === session.userId && claims.aud === session.audience && claims.client_id === session.clientId && claims.azp === session.clientId;

function principalOf(claims: AccessTokenClaims, session: Session, now: number): AccessTokenPrincipal {
  return {
    userId: session.userId,
    clientId: session.clientId,
    audience: session.audience,
    firstParty: isReservedAudience(session.audience),
    scopes: scopesOf(claims),
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

export function createAccessTokens(options: { issuer: string; clock: Clock; tokens: SignedTokens; sessions: LiveCache<Session> }): AccessTokens {
  const { issuer, clock, tokens, sessions } = options;

  const judge = async (given: TokenClaims | undefined): Promise<{ claims: AccessTokenClaims; session: Session } | undefined> => {
    if (given?.token_type !== accessTokenType) return undefined;
    const claims = given as AccessTokenClaims;
    const session = await sessions.find(claims.session_id);
    return session !== undefined && session.expiresAt > clock.now() && fitsSession(claims, session) ? { claims, session } : undefined;
  };
  const findPrincipal: AccessTokens['findPrincipal'] = async (given) => {
    const valid = await judge(given);
    return valid === undefined ? undefined : principalOf(valid.claims, valid.session, clock.now());
  };

  return {
    sign: (token) => tokens.sign(claimsOf(issuer, unixSeconds(clock.now()), token)),
    findPrincipal,
    async verify(token) {
      const principal = await findPrincipal(await tokens.read(token));
      if (principal === undefined) throw new AppError('INVALID_TOKEN', 'Invalid or expired TEP token');
      return principal;
    },
    read: async (token) => judge(await tokens.read(token)),
  };
}
