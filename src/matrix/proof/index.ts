import { HttpConnections } from '../../security/http-request.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { GuardedFetch } from '../../security/guarded-fetch.ts';
import { createMasProof, type MasOptions } from './mas.ts';
import { proveByOpenId, type HostResolver } from './openid.ts';
import { ProofNotAllowed, type Presenter, type UserProof } from './proof.ts';
import { assertTokenSyntax } from './upstream.ts';
import { proveByWhoami } from './whoami.ts';

export { ProofNotAllowed, ProofRefused, ProofUnavailable, type Presenter, type ProofRequest, type ProofTokenType, type ProvenUser, type RefusalReason, type UserProof } from './proof.ts';
export type { HostResolver, ResolvedHost } from './openid.ts';

export interface UserProofOptions {
  readonly homeserver: {
    readonly url: string;
    readonly domain: string;
    /** Other homeservers whose users may prove themselves with an OpenID token; none by default. */
    readonly acceptedServers: readonly string[];
  };
  /** Where the homeserver delegates to the Matrix Authentication Service. */
  readonly mas: Pick<MasOptions, 'issuer' | 'clientId' | 'clientSecret' | 'hostClients'> | undefined;
  readonly clock: Clock;
  readonly guardedFetch: GuardedFetch;
  readonly hostResolver: HostResolver;
  /** Whether this OAuth client id belongs to a mini-app: what such a client got from MAS is not the user's hand. */
  readonly isMiniAppClient: (clientId: string) => Promise<boolean>;
}

const openIdPresenters: ReadonlySet<Presenter> = new Set(['confidential_client', 'host_page']);

/** The three ways of decision D1 to prove who a Matrix user is, behind one interface. */
export function createUserProof(options: UserProofOptions): UserProof & { close(): Promise<void> } {
  const { homeserver, mas, clock, isMiniAppClient } = options;
  const connections = new HttpConnections();
  const shared = { homeserverUrl: homeserver.url, domain: homeserver.domain, connections };
  const openId = { ...shared, acceptedServers: homeserver.acceptedServers, guardedFetch: options.guardedFetch, hostResolver: options.hostResolver };
  const proveByMas = mas === undefined ? undefined : createMasProof({ ...mas, domain: homeserver.domain, connections, clock, isMiniAppClient });
  return {
    async prove(request) {
      if (request.tokenType === 'openid' && !openIdPresenters.has(request.presentedBy)) throw new ProofNotAllowed('a Matrix OpenID token has no audience and proves nothing here');
      assertTokenSyntax(request.token);
      if (request.tokenType === 'openid') return proveByOpenId(openId, request.token, request.matrixServerName);
      return proveByMas === undefined ? proveByWhoami(shared, request.token) : proveByMas(request.token);
    },
    close: () => connections.close(),
  };
}
