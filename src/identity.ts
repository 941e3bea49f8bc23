import type { Config } from './config/index.ts';
import type { Database } from './database/index.ts';
import { createConsole, createDeveloperTokens, type Console, type DeveloperTokens, type Organizations } from './developers/index.ts';
import type { JobQueue } from './jobs/index.ts';
import type { Clock } from './kernel/clock.ts';
import type { Log } from './kernel/log.ts';
import { resolveServer, type Homeserver, type OwnNames, type OwnRooms, type RoomFacts } from './matrix/index.ts';
import { createUserProof } from './matrix/proof/index.ts';
import { createSignIn, type SignIn } from './matrix/sign-in/index.ts';
import type { MiniApps } from './miniapps/index.ts';
import { grantedScopes, type OAuth } from './oauth/index.ts';
import { createProxying, type Proxying } from './proxying/index.ts';
import type { RecordAudit } from './security/audit/index.ts';
import { createGuardedFetch } from './security/guarded-fetch.ts';
import type { BuiltLimits } from './limits.ts';
import type { KeyRing } from './security/key-ring.ts';

/** What people are known by, and what we may do in their name. */
interface IdentityDependencies {
  readonly config: Config;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly keyRing: KeyRing;
  readonly homeserver: Homeserver;
}

/** Who a Matrix user is, by token or by signing in on our pages. */
export function buildProof(deps: IdentityDependencies, miniapps: MiniApps) {
  const { config, clock } = deps;
  const guardedFetch = createGuardedFetch({ development: config.security.development, timeoutMs: 10_000, maxBytes: 64 * 1024 });
  const proof = createUserProof({
    homeserver: { url: config.homeserver.url, domain: config.homeserver.domain, acceptedServers: config.homeserver.openid_servers },
    mas: config.mas === undefined ? undefined : { issuer: config.mas.issuer, clientId: config.mas.client_id, clientSecret: config.mas.client_secret, hostClients: config.mas.host_clients },
    clock,
    guardedFetch: guardedFetch,
    hostResolver: { resolve: resolveServer },
    isMiniAppClient: async (clientId) => (await miniapps.findClient(clientId)) !== undefined,
  });
  const signIn = createSignIn({
    homeserver: { url: config.homeserver.url, publicUrl: config.homeserver.public_url ?? config.homeserver.url, domain: config.homeserver.domain },
    mas: config.mas === undefined ? undefined : { issuer: config.mas.issuer, clientId: config.mas.client_id, clientSecret: config.mas.client_secret },
    clock,
    log: deps.log,
  });
  return { proof, signIn, close: () => Promise.all([proof.close(), signIn.close(), guardedFetch.close()]) };
}

/** Matrix calls on a user's behalf. */
export function buildProxying(deps: IdentityDependencies, matrix: { readonly queue: JobQueue; readonly names: OwnNames; readonly rooms: OwnRooms; readonly facts: RoomFacts }, signIn: SignIn): Proxying {
  const { config } = deps;
  return createProxying({
    ...deps,
    ...matrix,
    homeserverUrl: config.homeserver.url,
    service: config.mas?.act_for_users === true ? signIn.tokens : undefined,
    maySend: async (tx, { userId, miniappId }) => (await grantedScopes(tx, userId, miniappId)).has('messaging:send'),
  });
}

/** The developer console, as it is configured. */
export function buildConsole({ config }: IdentityDependencies, miniapps: MiniApps): Console {
  const { client_ids: clientIds, client_secret: clientSecret, redirect_uris: redirectUris } = config.developers.console;
  return createConsole({ clientIds, clientSecret, redirectUris }, async (clientId) => (await miniapps.findClient(clientId)) !== undefined);
}

/** Developers' tokens, signed with the authorization server's keys. */
export function buildDeveloperTokens(deps: IdentityDependencies, organizations: Organizations, oauth: OAuth, console: Console, limits: BuiltLimits, audit: RecordAudit): DeveloperTokens {
  const { config } = deps;
  return createDeveloperTokens({
    ...deps,
    audit,
    console,
    organizations,
    signer: oauth.jwts,
    admit: (...who) => limits.admission.tokens(...who),
    options: {
      issuer: config.server.public_url,
      accessTokenMs: config.developers.access_token_seconds * 1000,
      refreshTokenMs: config.oauth.refresh_token_seconds * 1000,
      codeMs: config.oauth.authorization_code_seconds * 1000,
    },
  });
}
