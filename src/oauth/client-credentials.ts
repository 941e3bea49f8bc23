import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import { newId } from '../kernel/ids.ts';
import { ourClient } from './client-metadata.ts';
import { insertClientSession, type ClientSession } from './client-session-repo.ts';
import type { OAuthClient } from './clients.ts';
import type { OAuthParts } from './deps.ts';
import { OAuthError } from './oauth-error.ts';
import { obtainableScopes, parseScopes } from './scopes.ts';

const clientCredentialsGrant = 'client_credentials';

/** What was asked, all of which the client has registered; without a request everything. Throws invalid_scope. */
function scopesFor(client: OAuthClient, asked: string | undefined): readonly string[] {
  const obtainable = obtainableScopes(client);
  if (asked === undefined) return obtainable;
  const wanted = parseScopes(asked);
  const unknown = wanted.find((scope) => !obtainable.includes(scope));
  if (unknown !== undefined) throw new OAuthError(400, 'invalid_scope', `Requested scope '${unknown}' not registered for this mini-app`, { scope: unknown });
  return wanted;
}

/** The client credentials grant (RFC 6749 section 4.4; specification section 9.1.1): for confidential clients, and backends of hybrid ones. */
export function registerClientCredentials(provider: Provider, parts: OAuthParts): void {
  const handler = async (ctx: KoaContextWithOIDC): Promise<void> => {
    const params = (ctx.oidc.params ?? {}) as { scope?: string; resource?: string };
    const client = ourClient(ctx.oidc.client!);
    // A client without a secret proves nothing about itself here.
    if (client?.kind !== 'confidential') throw new OAuthError(400, 'unauthorized_client', 'client_credentials is for confidential clients');
    if (params.resource !== undefined) throw new errors.InvalidTarget();
    const now = parts.clock.now();
    const session: ClientSession = {
      id: newId('cse'),
      clientId: client.clientId,
      miniappId: client.miniappId,
      scopes: scopesFor(client, params.scope),
      privilegedUntil: undefined,
      createdAt: now,
      expiresAt: now + parts.options.clientTokenMs,
    };
    await insertClientSession(parts.database, session);
    ctx.body = {
      access_token: await parts.clientTokens.sign(session),
      token_type: 'Bearer',
      expires_in: Math.floor((session.expiresAt - now) / 1000),
      scope: session.scopes.join(' '),
    };
  };
  provider.registerGrantType(clientCredentialsGrant, handler, ['scope', 'resource']);
}
