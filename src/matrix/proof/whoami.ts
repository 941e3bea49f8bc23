import { boundedRequest, type HttpConnections } from '../../security/http-request.ts';
import { acceptUser } from './local-users.ts';
import { ProofRefused, type ProvenUser } from './proof.ts';
import { ask, jsonObject, upstreamLimits } from './upstream.ts';

export interface WhoamiOptions {
  /** Client-server base URL of the homeserver. */
  readonly homeserverUrl: string;
  /** The homeserver's server name. */
  readonly domain: string;
  readonly connections: HttpConnections;
}

/** Asks the homeserver whose access token this is (decision D1.3; Matrix `GET /account/whoami`). */
export async function proveByWhoami(options: WhoamiOptions, token: string): Promise<ProvenUser> {
  const url = new URL('_matrix/client/v3/account/whoami', withSlash(options.homeserverUrl));
  const answer = await ask('the homeserver', () => boundedRequest(options.connections, url, { headers: { authorization: `Bearer ${token}` }, ...upstreamLimits }));
  if (answer.status === 401 || answer.status === 403) throw new ProofRefused('unknown_token');
  const account = jsonObject(answer, 'the homeserver');
  if (account.is_guest === true || account['org.matrix.msc3069.is_guest'] === true) throw new ProofRefused('guest');
  const userId = acceptUser(account.user_id, (serverName) => serverName === options.domain);
  return { userId, method: 'whoami', deviceId: typeof account.device_id === 'string' ? account.device_id : undefined, singleUse: false };
}

/** A base URL against which relative paths keep its own path. */
export const withSlash = (url: string): string => (url.endsWith('/') ? url : `${url}/`);
