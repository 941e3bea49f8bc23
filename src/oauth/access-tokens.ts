import { sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { unixSeconds, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import { isReservedAudience } from './clients.ts';
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
export interface AccessTokenClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string;
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  readonly jti: string;
  readonly token_type: 'tep_access_token';
  readonly client_id: string;
  readonly azp: string;
  readonly scope: string;
  readonly wallet_id: string;
  readonly session_id: string;
  readonly [claim: string]: unknown;
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
const maxTokenLength = 16 * 1024;
/** Instances' clocks may disagree by this much. */
const clockSkewSeconds = 5;
const signAsync = promisify<string, Buffer, KeyObject, Buffer>(signBytes);

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function decodeObject(segment: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The signature's bytes; undefined unless they are spelt in the one canonical way. */
function decodeSignature(segment: string): Buffer | undefined {
  const bytes = Buffer.from(segment, 'base64url');
  return bytes.toString('base64url') === segment ? bytes : undefined;
}

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

const isInForce = (claims: AccessTokenClaims, nowSeconds: number): boolean =>
  Number.isInteger(claims.exp) &&
  claims.exp > nowSeconds &&
  Number.isInteger(claims.nbf) &&
  claims.nbf <= nowSeconds + clockSkewSeconds &&
  Number.isInteger(claims.iat) &&
  claims.iat <= nowSeconds + clockSkewSeconds;

const fitsSession = (claims: AccessTokenClaims, session: Session): boolean =>
  claims.sub === session.userId && claims.aud === session.audience && claims.client_id === session.clientId && claims.azp === session.clientId;

const isOurHeader = (header: Record<string, unknown> | undefined): header is { kid: string } & Record<string, unknown> =>
  header !== undefined && header.alg === 'RS256' && header.typ === 'JWT' && typeof header.kid === 'string' && header.crit === undefined;

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

  /** The claims, if the signature and everything that the token alone can tell are right. */
  const readClaims = async (token: string): Promise<AccessTokenClaims | undefined> => {
    if (token.length > maxTokenLength || !token.startsWith(tepPrefix)) return undefined;
    const [header, payload, signature, more] = token.slice(tepPrefix.length).split('.');
    if (header === undefined || payload === undefined || signature === undefined || more !== undefined) return undefined;
    const head = decodeObject(header);
    if (!isOurHeader(head)) return undefined;
    const publicKey = await keys.findPublicKey(head.kid);
    const bytes = decodeSignature(signature);
    if (publicKey === undefined || bytes === undefined) return undefined;
    if (!verifyBytes('RSA-SHA256', Buffer.from(`${header}.${payload}`), publicKey, bytes)) return undefined;
    const claims = decodeObject(payload) as AccessTokenClaims | undefined;
    if (claims === undefined || claims.iss !== issuer || claims.token_type !== 'tep_access_token' || typeof claims.session_id !== 'string') return undefined;
    return isInForce(claims, unixSeconds(clock.now())) ? claims : undefined;
  };

  const read: AccessTokens['read'] = async (token) => {
    const claims = await readClaims(token);
    if (claims === undefined) return undefined;
    const session = await sessions.find(claims.session_id);
    return session !== undefined && session.expiresAt > clock.now() && fitsSession(claims, session) ? { claims, session } : undefined;
  };

  return {
    async sign(token) {
      const { kid, privateKey } = await keys.signer();
      const claims = claimsOf(issuer, unixSeconds(clock.now()), token);
      // A deployed client reads the segment after "tep.", which is the header, as if it were the payload (decision D3).
      const input = `${encode({ alg: 'RS256', typ: 'JWT', kid, scope: claims.scope })}.${encode(claims)}`;
      const signature = await signAsync('RSA-SHA256', Buffer.from(input), privateKey);
      return `${tepPrefix}${input}.${signature.toString('base64url')}`;
    },
    async verify(token) {
      const valid = await read(token);
      if (valid === undefined) throw new AppError('INVALID_TOKEN', 'Invalid or expired TEP token');
      return principalOf(valid.claims, valid.session, clock.now());
    },
    read,
  };
}
