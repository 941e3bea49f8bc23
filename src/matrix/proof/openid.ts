import net from 'node:net';
import type { GuardedFetch } from '../../security/guarded-fetch.ts';
import { boundedRequest, type HttpAnswer, type HttpConnections } from '../../security/http-request.ts';
import { acceptUser } from './local-users.ts';
import { ProofRefused, type ProvenUser } from './proof.ts';
import { ask, jsonObject, upstreamLimits } from './upstream.ts';
import { withSlash } from './whoami.ts';

/** Finds the machine that speaks for a server name (Matrix server-server specification, "Resolving server names"). */
export interface HostResolver {
  resolve(serverName: string): Promise<ResolvedHost>;
}

export interface ResolvedHost {
  readonly host: string;
  readonly port: number;
  /** Goes into `Host`; its name is the one that the certificate must bear. */
  readonly hostHeader: string;
}

export interface OpenIdOptions {
  readonly homeserverUrl: string;
  readonly domain: string;
  /** Other homeservers whose users are accepted. */
  readonly acceptedServers: readonly string[];
  readonly connections: HttpConnections;
  readonly guardedFetch: GuardedFetch;
  readonly hostResolver: HostResolver;
}

/** What can stand as a server name in a user id: no path, no credentials, nothing that a URL reads otherwise. */
const serverNameGrammar = /^(?:[A-Za-z0-9.-]{1,230}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

const userinfoPath = (token: string): string => `_matrix/federation/v1/openid/userinfo?access_token=${encodeURIComponent(token)}`;

async function askOther(options: OpenIdOptions, serverName: string, token: string): Promise<HttpAnswer> {
  const { host, port, hostHeader } = await options.hostResolver.resolve(serverName);
  const url = new URL(userinfoPath(token), `https://${net.isIPv6(host) ? `[${host}]` : host}:${port}/`);
  return options.guardedFetch.fetch(url, { headers: { host: hostHeader }, ...upstreamLimits });
}

/**
 * Asks the homeserver that issued an OpenID token (decision D1.1; federation `GET /openid/userinfo`). Our own homeserver is
 * asked at its configured address, others only when configured and behind the guard for addresses that others supply.
 */
export async function proveByOpenId(options: OpenIdOptions, token: string, serverName: string = options.domain): Promise<ProvenUser> {
  const isOurs = serverName === options.domain;
  if (!isOurs && (!serverNameGrammar.test(serverName) || !options.acceptedServers.includes(serverName))) throw new ProofRefused('foreign_server');
  const answer = await ask(isOurs ? 'the homeserver' : 'another homeserver', () =>
    isOurs ? boundedRequest(options.connections, new URL(userinfoPath(token), withSlash(options.homeserverUrl)), upstreamLimits) : askOther(options, serverName, token),
  );
  if (answer.status === 401 || answer.status === 403) throw new ProofRefused('unknown_token');
  const { sub } = jsonObject(answer, 'the homeserver');
  return { userId: acceptUser(sub, (subjectServer) => subjectServer === serverName), method: 'openid', singleUse: true };
}
