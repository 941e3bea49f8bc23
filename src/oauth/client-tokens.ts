import { unixSeconds, type Clock } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';
import type { ClientSession } from './client-session-repo.ts';
import type { SignedTokens, TokenClaims } from './jwt.ts';
import type { LiveCache } from '../kernel/live-cache.ts';
import { parseScopes } from './scopes.ts';

/** A mini-app's backend, acting for nobody but itself. */
export interface ClientTokenPrincipal {
  readonly clientId: string;
  readonly miniappId: string;
  readonly scopes: ReadonlySet<string>;
  readonly sessionId: string;
  readonly privileged: boolean;
}

/**
 * Tokens of the client credentials grant. Their `token_type` is another than that of a user's token, and their `sub` is the client's id,
 * which never is a Matrix id: nobody can take one for the other (RFC 9700 section 4.15).
 */
export interface ClientTokens {
  sign(session: ClientSession): Promise<string>;
  /** Which client calls, by claims whose signature is good; undefined when they are a user's, or their session does not live. */
  findPrincipal(claims: TokenClaims | undefined): Promise<ClientTokenPrincipal | undefined>;
  read(token: string): Promise<{ readonly claims: TokenClaims; readonly session: ClientSession } | undefined>;
}

export const clientTokenType = 'tep_client_token';

export function createClientTokens(options: { issuer: string; clock: Clock; tokens: SignedTokens; sessions: LiveCache<ClientSession> }): ClientTokens {
  const { issuer, clock, tokens, sessions } = options;
  const judge = async (claims: TokenClaims | undefined): Promise<{ claims: TokenClaims; session: ClientSession } | undefined> => {
    if (claims?.token_type !== clientTokenType) return undefined;
    const session = await sessions.find(claims.session_id);
    const fits = session !== undefined && session.expiresAt > clock.now() && claims.sub === session.clientId && claims.client_id === session.clientId && claims.azp === session.clientId && claims.aud === session.miniappId;
    return fits ? { claims, session } : undefined;
  };
  return {
    async sign(session) {
      const issuedAt = unixSeconds(clock.now());
      return tokens.sign({
        iss: issuer,
        sub: session.clientId,
        aud: session.miniappId,
        exp: unixSeconds(session.expiresAt),
        iat: issuedAt,
        nbf: issuedAt,
        jti: newId('ct'),
        token_type: clientTokenType,
        client_id: session.clientId,
        azp: session.clientId,
        scope: session.scopes.join(' '),
        session_id: session.id,
        ...(session.privilegedUntil === undefined ? {} : { privileged: true, privileged_until: unixSeconds(session.privilegedUntil) }),
      });
    },
    async findPrincipal(given) {
      const valid = await judge(given);
      if (valid === undefined) return undefined;
      const { claims, session } = valid;
      return {
        clientId: session.clientId,
        miniappId: session.miniappId,
        scopes: new Set(parseScopes(claims.scope)),
        sessionId: session.id,
        privileged: session.privilegedUntil !== undefined && session.privilegedUntil > clock.now(),
      };
    },
    read: async (token) => judge(await tokens.read(token)),
  };
}
