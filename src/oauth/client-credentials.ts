import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import { unixSeconds } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';
import { ourClient } from './client-metadata.ts';
import { insertClientSession, type ClientSession } from './client-session-repo.ts';
import type { OAuthClient } from './clients.ts';
import type { OAuthParts } from './deps.ts';
import { OAuthError } from './oauth-error.ts';
import { isPrivileged, obtainableScopes, parseScopes, privilegedScopes } from './scopes.ts';

const clientCredentialsGrant = 'client_credentials';

/** What was asked, all of which the client has registered; without a request everything that is not privileged. Throws invalid_scope. */
function scopesFor(parts: OAuthParts, client: OAuthClient, asked: string | undefined): readonly string[] {
  const obtainable = obtainableScopes(client);
  if (asked === undefined) return obtainable;
  const wanted = parseScopes(asked);
  const available = parts.audit === undefined ? obtainable : [...obtainable, ...privilegedScopes(client)];
  const unknown = wanted.find((scope) => !available.includes(scope));
  if (unknown !== undefined) throw new OAuthError(400, 'invalid_scope', `Requested scope '${unknown}' not registered for this mini-app`, { scope: unknown });
  return wanted;
}

function newSession({ clock, options }: OAuthParts, client: OAuthClient, scopes: readonly string[]): ClientSession {
  const now = clock.now();
  const privilegedUntil = scopes.some(isPrivileged) ? now + options.privilegedTokenMs : undefined;
  return { id: newId('cse'), clientId: client.clientId, miniappId: client.miniappId, scopes, privilegedUntil, createdAt: now, expiresAt: privilegedUntil ?? now + options.clientTokenMs };
}

/** The client credentials grant (RFC 6749 section 4.4; specification section 9.1.1): for confidential clients, and backends of hybrid ones. */
export function registerClientCredentials(provider: Provider, parts: OAuthParts): void {
  const handler = async (ctx: KoaContextWithOIDC): Promise<void> => {
    const params = (ctx.oidc.params ?? {}) as { scope?: string; resource?: string };
    const client = ourClient(ctx.oidc.client!);
    // A client without a secret proves nothing about itself here.
    if (client?.kind !== 'confidential') throw new OAuthError(400, 'unauthorized_client', 'client_credentials is for confidential clients');
    if (params.resource !== undefined) throw new errors.InvalidTarget();
    await parts.admitTokens('token_generation', undefined, client.clientId);
    const session = newSession(parts, client, scopesFor(parts, client, params.scope));
    const { privilegedUntil, scopes } = session;
    await parts.database.inTransaction(async (tx) => {
      await insertClientSession(tx, session);
      await parts.audit?.(tx, { action: privilegedUntil === undefined ? 'session.opened' : 'session.opened_privileged', clientId: client.clientId, userId: undefined, sessionId: session.id, scopes, how: 'client_credentials', privilegedUntil });
    });
    ctx.body = {
      access_token: await parts.clientTokens.sign(session),
      token_type: 'Bearer',
      expires_in: Math.floor((session.expiresAt - session.createdAt) / 1000),
      scope: scopes.join(' '),
      ...(privilegedUntil === undefined ? {} : { privileged: true, privileged_until: unixSeconds(privilegedUntil) }),
    };
  };
  provider.registerGrantType(clientCredentialsGrant, handler, ['scope', 'resource']);
}
