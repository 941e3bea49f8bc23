import { sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { unixSeconds, type Clock } from '../kernel/clock.ts';
import { createLiveCache } from '../kernel/live-cache.ts';
import type { SigningKeys } from './keys.ts';

/** What every JWT of ours says. Which kind of token it is stands in `token_type`: one kind never counts as another. */
export interface JwtClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string;
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  readonly jti: string;
  readonly token_type: string;
  readonly [claim: string]: unknown;
}

/** What a `tep.` token says besides: whose session it is of, and what it may do. */
export interface TokenClaims extends JwtClaims {
  readonly client_id: string;
  readonly azp: string;
  readonly scope: string;
  readonly session_id: string;
}

/** JWTs signed with RS256 by the keys that are published (decision D3). */
export interface Jwts {
  /** `header` goes beside `alg`, `typ` and `kid`. */
  sign(claims: JwtClaims, header?: Readonly<Record<string, unknown>>): Promise<string>;
  /** The claims of a token of ours that is in force, whatever its type: the caller looks at `token_type`. */
  read(jwt: string): Promise<JwtClaims | undefined>;
  /** The claims of a token of ours and of this type that is in force; undefined for anything else. */
  verify(jwt: string, tokenType: string): Promise<JwtClaims | undefined>;
}

/** Signed tokens of users and clients: `tep.` and a JWT. */
export interface SignedTokens {
  sign(claims: TokenClaims): Promise<string>;
  /** The claims, if the signature and everything that the token alone can tell are right. */
  read(token: string): Promise<TokenClaims | undefined>;
}

export const tepPrefix = 'tep.';
const maxLength = 16 * 1024;
const maxRemembered = 2000;
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

const isOurHeader = (header: Record<string, unknown> | undefined): header is { kid: string } & Record<string, unknown> =>
  header !== undefined && header.alg === 'RS256' && header.typ === 'JWT' && typeof header.kid === 'string' && header.crit === undefined;

const isInForce = (claims: JwtClaims, nowSeconds: number): boolean =>
  Number.isInteger(claims.exp) &&
  claims.exp > nowSeconds &&
  Number.isInteger(claims.nbf) &&
  claims.nbf <= nowSeconds + clockSkewSeconds &&
  Number.isInteger(claims.iat) &&
  claims.iat <= nowSeconds + clockSkewSeconds;

export function createJwts(options: { readonly issuer: string; readonly clock: Clock; readonly keys: SigningKeys }): Jwts {
  const { issuer, clock, keys } = options;
  /** The claims, if it is signed by a key of ours that is published. */
  const readSigned = async (jwt: string): Promise<JwtClaims | undefined> => {
    const [header, payload, signature, more] = jwt.split('.');
    if (header === undefined || payload === undefined || signature === undefined || more !== undefined) return undefined;
    const head = decodeObject(header);
    if (!isOurHeader(head)) return undefined;
    const publicKey = await keys.findPublicKey(head.kid);
    const bytes = decodeSignature(signature);
    if (publicKey === undefined || bytes === undefined) return undefined;
    if (!verifyBytes('RSA-SHA256', Buffer.from(`${header}.${payload}`), publicKey, bytes)) return undefined;
    const claims = decodeObject(payload) as JwtClaims | undefined;
    return claims?.iss === issuer ? claims : undefined;
  };
  // A client sends the same token again and again, and an introspection tries it as two kinds.
  const signed = createLiveCache(clock, readSigned, { maxEntries: maxRemembered });
  const read: Jwts['read'] = async (jwt) => {
    if (jwt.length > maxLength) return undefined;
    const claims = await signed.find(jwt);
    return claims !== undefined && isInForce(claims, unixSeconds(clock.now())) ? claims : undefined;
  };
  return {
    async sign(claims, header = {}) {
      const { kid, privateKey } = await keys.signer();
      const input = `${encode({ alg: 'RS256', typ: 'JWT', kid, ...header })}.${encode(claims)}`;
      const signature = await signAsync('RSA-SHA256', Buffer.from(input), privateKey);
      return `${input}.${signature.toString('base64url')}`;
    },
    read,
    async verify(jwt, tokenType) {
      const claims = await read(jwt);
      return claims?.token_type === tokenType ? claims : undefined;
    },
  };
}

export const createSignedTokens = (jwts: Pick<Jwts, 'sign' | 'read'>): SignedTokens => ({
  // A deployed client reads the segment after "tep.", which is the header, as if it were the payload (decision D3).
  sign: async (claims) => tepPrefix + (await jwts.sign(claims, { scope: claims.scope })),
  async read(token) {
    if (!token.startsWith(tepPrefix)) return undefined;
    const claims = await jwts.read(token.slice(tepPrefix.length));
    return typeof claims?.session_id === 'string' ? (claims as TokenClaims) : undefined;
  },
});
