import { sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { unixSeconds, type Clock } from '../kernel/clock.ts';
import type { SigningKeys } from './keys.ts';

/** What every token of ours says of itself (RFC 7519 section 4.1), and which kind of token it is. */
export interface TokenClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string;
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  readonly jti: string;
  readonly token_type: string;
  readonly client_id: string;
  readonly azp: string;
  readonly scope: string;
  readonly session_id: string;
  readonly [claim: string]: unknown;
}

/** Signed tokens: `tep.` and a JWT with RS256 (decision D3). */
export interface SignedTokens {
  sign(claims: TokenClaims): Promise<string>;
  /** The claims, if the signature and everything that the token alone can tell are right. */
  read(token: string): Promise<TokenClaims | undefined>;
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

const isInForce = (claims: TokenClaims, nowSeconds: number): boolean =>
  Number.isInteger(claims.exp) &&
  claims.exp > nowSeconds &&
  Number.isInteger(claims.nbf) &&
  claims.nbf <= nowSeconds + clockSkewSeconds &&
  Number.isInteger(claims.iat) &&
  claims.iat <= nowSeconds + clockSkewSeconds;

const isOurHeader = (header: Record<string, unknown> | undefined): header is { kid: string } & Record<string, unknown> =>
  header !== undefined && header.alg === 'RS256' && header.typ === 'JWT' && typeof header.kid === 'string' && header.crit === undefined;

export function createSignedTokens(options: { readonly issuer: string; readonly clock: Clock; readonly keys: SigningKeys }): SignedTokens {
  const { issuer, clock, keys } = options;
  return {
    async sign(claims) {
      const { kid, privateKey } = await keys.signer();
      // A deployed client reads the segment after "tep.", which is the header, as if it were the payload (decision D3).
      const input = `${encode({ alg: 'RS256', typ: 'JWT', kid, scope: claims.scope })}.${encode(claims)}`;
      const signature = await signAsync('RSA-SHA256', Buffer.from(input), privateKey);
      return `${tepPrefix}${input}.${signature.toString('base64url')}`;
    },
    async read(token) {
      if (token.length > maxTokenLength || !token.startsWith(tepPrefix)) return undefined;
      const [header, payload, signature, more] = token.slice(tepPrefix.length).split('.');
      if (header === undefined || payload === undefined || signature === undefined || more !== undefined) return undefined;
      const head = decodeObject(header);
      if (!isOurHeader(head)) return undefined;
      const publicKey = await keys.findPublicKey(head.kid);
      const bytes = decodeSignature(signature);
      if (publicKey === undefined || bytes === undefined) return undefined;
      if (!verifyBytes('RSA-SHA256', Buffer.from(`${header}.${payload}`), publicKey, bytes)) return undefined;
      const claims = decodeObject(payload) as TokenClaims | undefined;
      if (claims === undefined || claims.iss !== issuer || typeof claims.session_id !== 'string') return undefined;
      return isInForce(claims, unixSeconds(clock.now())) ? claims : undefined;
    },
  };
}
