import { createHash } from 'node:crypto';
import { errorText } from '../../kernel/errors.ts';
import { randomSuffix, type UserId } from '../../kernel/ids.ts';
import type { Log } from '../../kernel/log.ts';
import { boundedRequest, type HttpAnswer, type HttpConnections } from '../../security/http-request.ts';
import { ProofRefused, ProofUnavailable } from '../proof/index.ts';
import { acceptUser } from '../proof/local-users.ts';
import { basicCredentials } from '../proof/mas.ts';
import { ask, jsonObject, upstreamLimits, type JsonObject } from '../proof/upstream.ts';
import { withSlash } from '../proof/whoami.ts';
import type { MatrixTokens, RedirectReturn, RedirectStart, SignedInUser } from './index.ts';

export interface MasLoginOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly domain: string;
  readonly connections: HttpConnections;
  readonly log: Log;
}

type Endpoint = 'authorization_endpoint' | 'token_endpoint' | 'introspection_endpoint' | 'revocation_endpoint';

/** RFC 8414 metadata of the issuer, kept once it was read. */
function metadataOf({ issuer, connections }: MasLoginOptions): (endpoint: Endpoint) => Promise<URL> {
  let known: Readonly<Record<string, unknown>> | undefined;
  return async (endpoint) => {
    known ??= jsonObject(await ask('MAS', () => boundedRequest(connections, new URL('.well-known/openid-configuration', withSlash(issuer)), upstreamLimits)), 'MAS');
    const { issuer: said, [endpoint]: address } = known;
    if (typeof said !== 'string' || withSlash(said) !== withSlash(issuer)) throw new ProofUnavailable('MAS names another issuer than mas.issuer');
    if (typeof address !== 'string' || !URL.canParse(address)) throw new ProofUnavailable(`MAS announces no ${endpoint}`);
    return new URL(address);
  };
}

const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

/** As deployed versions of MAS know it (MSC2967). */
const scopePrefix = 'urn:matrix:org.matrix.msc2967.client';
/** The user's Matrix powers (specification section 5.3). */
export const matrixApiScope = `${scopePrefix}:api:*`;
/** A device of its own: sending needs one for its transaction ids, and the user can see and end it. */
const newDeviceScope = (): string => `${scopePrefix}:device:TMCP${randomSuffix(12).toUpperCase()}`;

function tokensOf({ access_token: accessToken, refresh_token: refreshToken, expires_in: expiresInSeconds }: JsonObject): MatrixTokens | undefined {
  if (typeof accessToken !== 'string' || typeof refreshToken !== 'string') return undefined;
  return { accessToken, refreshToken, expiresInSeconds: typeof expiresInSeconds === 'number' ? expiresInSeconds : 0 };
}

/** Signs in as a relying party of the Matrix Authentication Service: authorization code with PKCE, for the scope `openid` and, where it is wanted, the user's Matrix powers. */
export function createMasLogin(options: MasLoginOptions) {
  const { issuer, clientId, clientSecret, domain, connections, log } = options;
  const endpoint = metadataOf(options);
  const headers = { authorization: basicCredentials(clientId, clientSecret), 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
  const post = async (name: Endpoint, fields: Record<string, string>): Promise<HttpAnswer> => {
    const url = await endpoint(name);
    return ask('MAS', () => boundedRequest(connections, url, { method: 'POST', headers, body: new URLSearchParams(fields).toString(), ...upstreamLimits }));
  };

  /** Who the token's user is: MAS's own word for it, for a token that it gave to us. */
  const userOf = async (token: string): Promise<UserId> => {
    const introspected = jsonObject(await post('introspection_endpoint', { token, token_type_hint: 'access_token' }), 'MAS');
    if (introspected.active !== true || introspected.client_id !== clientId) throw new ProofRefused('unknown_token');
    if (typeof introspected.username !== 'string' || introspected.username === '') throw new ProofRefused('not_a_matrix_session');
    return acceptUser(`@${introspected.username}:${domain}`, (serverName) => serverName === domain);
  };

  const revoke = async (fields: { token: string; token_type_hint: string }): Promise<void> => {
    const { status } = await post('revocation_endpoint', fields);
    if (status !== 200) throw new ProofUnavailable(`MAS answered ${status} to a revocation`);
  };

  return {
    async start({ state, codeVerifier, callback, actForUser }: RedirectStart): Promise<URL> {
      const url = await endpoint('authorization_endpoint');
      const scope = actForUser ? `openid ${matrixApiScope} ${newDeviceScope()}` : 'openid';
      const parameters = { response_type: 'code', client_id: clientId, redirect_uri: callback, scope, state, code_challenge: challengeOf(codeVerifier), code_challenge_method: 'S256' };
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
      return url;
    },
    async finish({ query, codeVerifier, callback, actForUser }: RedirectReturn): Promise<SignedInUser> {
      const said = query.get('iss');
      // RFC 9207: an answer of another authorization server is not for us.
      if (said !== null && withSlash(said) !== withSlash(issuer)) throw new ProofRefused('unknown_token');
      const code = query.get('code');
      if (code === null) throw new ProofRefused('unknown_token');
      const answer = await post('token_endpoint', { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: codeVerifier });
      if (answer.status === 400) throw new ProofRefused('unknown_token');
      const body = jsonObject(answer, 'MAS');
      const { access_token: token } = body;
      if (typeof token !== 'string') throw new ProofUnavailable('MAS gave no access token');
      const tokens = actForUser ? tokensOf(body) : undefined;
      let isKept = false;
      try {
        const userId = await userOf(token);
        isKept = tokens !== undefined;
        return { userId, ...(tokens === undefined ? {} : { tokens }) };
      } finally {
        if (!isKept) await revoke({ token, token_type_hint: 'access_token' }).catch((error: unknown) => log.warn({ error: errorText(error) }, 'the token of a sign-in could not be revoked'));
      }
    },
    async refresh(refreshToken: string): Promise<MatrixTokens | undefined> {
      const answer = await post('token_endpoint', { grant_type: 'refresh_token', refresh_token: refreshToken });
      if (answer.status === 400) return undefined;
      const tokens = tokensOf(jsonObject(answer, 'MAS'));
      if (tokens === undefined) throw new ProofUnavailable('MAS refreshed without giving both tokens');
      return tokens;
    },
    revoke: (refreshToken: string): Promise<void> => revoke({ token: refreshToken, token_type_hint: 'refresh_token' }),
  };
}
