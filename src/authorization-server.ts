import { oauthRecord } from './audit-records.ts';
import type { Config } from './config/index.ts';
import type { SharedWakes } from './database/index.ts';
import { isoTime } from './kernel/clock.ts';
import { asMiniAppId, asRoomId, isRoomId } from './kernel/ids.ts';
import type { BuiltLimits } from './limits.ts';
import type { createUserFacts, OwnRooms } from './matrix/index.ts';
import { matrixApiScope } from './matrix/sign-in/index.ts';
import { requireAuthProof, type Mfa } from './mfa/index.ts';
import { isAdminRegistered, type MiniApps, type RegisteredClient } from './miniapps/index.ts';
import type { Notices } from './notices/index.ts';
import { createOAuth, type ClientDirectory, type LimitOptions, type OAuth, type OAuthClient } from './oauth/index.ts';
import type { Proxying } from './proxying/index.ts';
import type { Audit } from './security/audit/index.ts';
import { isSuspended } from './users/index.ts';
import type { Webhooks } from './webhooks/index.ts';

type OAuthDependencies = Parameters<typeof createOAuth>[0];

export interface AuthorizationServerDependencies extends Pick<OAuthDependencies, 'database' | 'clock' | 'log' | 'keyRing' | 'events' | 'proof' | 'signIn' | 'developers'> {
  readonly config: Config;
  readonly rooms: OwnRooms;
  readonly userFacts: ReturnType<typeof createUserFacts>;
  readonly audit: Pick<Audit, 'record'>;
  readonly wakes: SharedWakes;
  readonly miniapps: MiniApps;
  readonly webhooks: Webhooks;
  readonly notices: Notices;
  readonly mfa: Mfa;
  readonly proxying: Proxying;
  readonly limits: BuiltLimits;
}

/** How long a question for consent can be answered. */
const consentLifetimeMs = 10 * 60_000;

/** The registry as the authorization server sees it. */
function clientsOf(miniapps: MiniApps): ClientDirectory {
  // Of those that are active, of whom nothing else is asked: the same object for as long as the registry has the same.
  const known = new WeakMap<RegisteredClient, OAuthClient>();
  const read = async (client: RegisteredClient): Promise<OAuthClient> => {
    const { clientId, kind, app, secretHashes, developerName } = client;
    const active = app.status === 'active';
    return { clientId, miniappId: app.miniappId, kind, secretHashes, redirectUris: app.redirectUris, registeredScopes: app.scopes, classification: app.classification, name: app.name, developerName, adminRegistered: isAdminRegistered(app), active, owners: active ? [] : await miniapps.earlyUsers(app) };
  };
  return {
    async findClient(clientId) {
      const client = await miniapps.findClient(clientId);
      if (client === undefined) return undefined;
      const made = known.get(client) ?? (await read(client));
      if (made.active) known.set(client, made);
      return made;
    },
  };
}

const limitsOf = (limits: Config['rate_limits']): LimitOptions => ({
  enabled: limits.enabled,
  failures: { attempts: limits.oauth_failures_per_minute, seconds: 60 },
  secrets: { attempts: limits.client_secret_failures_per_minute, seconds: 60 },
  signIns: { attempts: limits.sign_ins_per_minute, seconds: 60 },
  passwords: { attempts: limits.passwords_per_5_minutes, seconds: 300 },
  userCodes: { attempts: limits.user_codes_per_10_minutes, seconds: 600 },
  consents: { attempts: limits.consents_per_minute, seconds: 60 },
});

/** The authorization server, by its configuration, and who else hears of what it gives and takes. */
export function buildOAuth(deps: AuthorizationServerDependencies): OAuth {
  const { config, rooms, events, audit, wakes, userFacts, miniapps, webhooks, notices, mfa, proxying, limits } = deps;
  return createOAuth({
    ...deps,
    ...(proxying.grants === undefined ? {} : { actFor: proxying.grants }),
    clients: clientsOf(miniapps),
    isSuspended,
    wakes,
    events,
    limitStore: limits.attempts,
    admission: limits.admission,
    stepUp: {
      methodsOf: (userId) => mfa.methodsOf(userId),
      prove: async (userId, miniappId, authProof) => mfa.proveTerms({ userId, terms: { kind: 'action', action: 'oauth.consent', subject: miniappId }, evidence: requireAuthProof(authProof) }),
    },
    audit: (tx, entry) => audit.record(tx, oauthRecord(entry)),
    async onScopesRevoked(tx, { userId, miniappId, revokedScopes, remainingScopes, reason, revokedAt }) {
      const ended = !remainingScopes.includes('messaging:send') && (await proxying.end(tx, { userId, miniappId }));
      await webhooks.send(tx, { miniappId: asMiniAppId(miniappId), event: 'scope.revoked', data: { user_id: userId, miniapp_id: miniappId, revoked_scopes: revokedScopes, remaining_scopes: remainingScopes, reason, timestamp: isoTime(revokedAt) } });
      notices.publish(tx, { userId, kind: 'authorization.revoked', audience: miniappId, body: { miniapp_id: miniappId, revoked_scopes: revokedScopes, remaining_scopes: remainingScopes, reason } });
      return ended ? [matrixApiScope] : [];
    },
    onScopesGranted: (tx, { userId, miniappId, scopes }) => notices.publish(tx, { userId, kind: 'authorization.granted', audience: miniappId, body: { miniapp_id: miniappId, scopes } }),
    profileOf: (userId) => userFacts.profileOf(userId),
    standingOf: (userId, roomId) => userFacts.standingOf(userId, asRoomId(roomId)),
    mayNameRoom: (userId, roomId) => (isRoomId(roomId) ? rooms.mayName(roomId, userId) : Promise.resolve(false)),
    options: {
      issuer: config.server.public_url,
      accessTokenMs: config.oauth.access_token_seconds * 1000,
      firstPartyTokenMs: config.oauth.first_party_access_token_seconds * 1000,
      clientTokenMs: config.oauth.client_token_seconds * 1000,
      privilegedTokenMs: config.oauth.privileged_token_seconds * 1000,
      otherTokenMs: config.developers.access_token_seconds * 1000,
      refreshTokenMs: config.oauth.refresh_token_seconds * 1000,
      refreshGraceMs: config.oauth.refresh_grace_seconds * 1000,
      consentMs: consentLifetimeMs,
      authorizationCodeMs: config.oauth.authorization_code_seconds * 1000,
      deviceCodeMs: config.oauth.device_code_seconds * 1000,
      browserSessionMs: config.oauth.browser_session_seconds * 1000,
      homeserverName: config.homeserver.domain,
      limits: limitsOf(config.rate_limits),
    },
  });
}
