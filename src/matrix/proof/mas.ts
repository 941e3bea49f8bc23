import type { Clock } from '../../kernel/clock.ts';
import { boundedRequest, type HttpConnections } from '../../security/http-request.ts';
import { acceptUser } from './local-users.ts';
import { ProofRefused, ProofUnavailable, type ProvenUser } from './proof.ts';
import { ask, jsonObject, upstreamLimits, type JsonObject } from './upstream.ts';
import { withSlash } from './whoami.ts';

export interface MasOptions {
  readonly issuer: string;
  /** Our own confidential client at MAS. */
  readonly clientId: string;
  readonly clientSecret: string;
  /** Clients whose tokens count; every one that is no mini-app's when empty. */
  readonly hostClients: readonly string[];
  readonly domain: string;
  readonly connections: HttpConnections;
  readonly clock: Clock;
  /** Whether this OAuth client id belongs to a mini-app. */
  readonly isMiniAppClient: (clientId: string) => Promise<boolean>;
}

/** Both spellings that homeservers and MAS use (MSC2967, stable and unstable). */
const scopePrefixes = ['urn:matrix:org.matrix.msc2967.client:', 'urn:matrix:client:'];

const formEncode = (text: string): string => new URLSearchParams({ x: text }).toString().slice(2);

/** `client_secret_basic` of RFC 6749 section 2.3.1: both parts are form-encoded first. */
export const basicCredentials = (clientId: string, secret: string): string => `Basic ${Buffer.from(`${formEncode(clientId)}:${formEncode(secret)}`).toString('base64')}`;

/** RFC 8414 metadata of the issuer, kept once it was read. */
function introspectionEndpoint(options: MasOptions): () => Promise<URL> {
  let known: URL | undefined;
  return async () => {
    if (known !== undefined) return known;
    const url = new URL('.well-known/openid-configuration', withSlash(options.issuer));
    const metadata = jsonObject(await ask('MAS', () => boundedRequest(options.connections, url, upstreamLimits)), 'MAS');
    const endpoint = metadata.introspection_endpoint;
    if (typeof metadata.issuer !== 'string' || withSlash(metadata.issuer) !== withSlash(options.issuer)) throw new ProofUnavailable('MAS names another issuer than mas.issuer');
    if (typeof endpoint !== 'string' || !URL.canParse(endpoint)) throw new ProofUnavailable('MAS announces no introspection endpoint');
    known = new URL(endpoint);
    return known;
  };
}

const scopesOf = (token: JsonObject): string[] => (typeof token.scope === 'string' ? token.scope.split(' ') : []);
const hasMatrixApi = (scopes: readonly string[]): boolean => scopePrefixes.some((prefix) => scopes.includes(`${prefix}api:*`));

function deviceOf(token: JsonObject, scopes: readonly string[]): string | undefined {
  if (typeof token.device_id === 'string') return token.device_id;
  for (const prefix of scopePrefixes.map((one) => `${one}device:`)) {
    const scope = scopes.find((one) => one.startsWith(prefix));
    if (scope !== undefined) return scope.slice(prefix.length);
  }
  return undefined;
}

async function assertHostClient(options: MasOptions, clientId: unknown): Promise<void> {
  if (typeof clientId !== 'string') throw new ProofRefused('client_not_allowed');
  if (options.hostClients.length > 0 && !options.hostClients.includes(clientId)) throw new ProofRefused('client_not_allowed');
  if (await options.isMiniAppClient(clientId)) throw new ProofRefused('client_not_allowed');
}

/**
 * Asks the Matrix Authentication Service (decision D1.2; RFC 7662). MAS's `sub` is an internal ULID: the user is named by
 * `username`. A token that a relying party got for signing in ("openid" only) is not the user's hand and is refused.
 */
export function createMasProof(options: MasOptions): (token: string) => Promise<ProvenUser> {
  const endpoint = introspectionEndpoint(options);
  const headers = {
    authorization: basicCredentials(options.clientId, options.clientSecret),
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
    'x-mas-supports-device-id': '1',
  };
  return async (token) => {
    const url = await endpoint();
    const body = new URLSearchParams({ token, token_type_hint: 'access_token' }).toString();
    const answer = await ask('MAS', () => boundedRequest(options.connections, url, { method: 'POST', headers, body, ...upstreamLimits }));
    // Not 401 as "unknown token": there it says that our own client credentials are wrong.
    const introspected = jsonObject(answer, 'MAS');
    if (introspected.active !== true) throw new ProofRefused('unknown_token');
    if (introspected.token_type !== undefined && introspected.token_type !== 'access_token') throw new ProofRefused('not_an_access_token');
    const expiresAt = typeof introspected.exp === 'number' ? introspected.exp * 1000 : undefined;
    if (expiresAt !== undefined && expiresAt <= options.clock.now()) throw new ProofRefused('expired');
    const scopes = scopesOf(introspected);
    if (!hasMatrixApi(scopes) || typeof introspected.username !== 'string' || introspected.username === '') throw new ProofRefused('not_a_matrix_session');
    await assertHostClient(options, introspected.client_id);
    const userId = acceptUser(`@${introspected.username}:${options.domain}`, (serverName) => serverName === options.domain);
    return { userId, method: 'mas', deviceId: deviceOf(introspected, scopes), tokenExpiresAt: expiresAt, singleUse: false };
  };
}
