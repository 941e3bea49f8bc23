import type { AdapterPayload, Client } from 'oidc-provider';
import { isReservedAudience, type OAuthClient } from './clients.ts';

export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';

export const deviceCodeGrant = 'urn:ietf:params:oauth:grant-type:device_code';

/** The name under which oidc-provider's client carries ours. */
export const clientProperty = 'tmcp';

/** The mini-app's client; undefined for the first-party audiences. */
export const ourClient = (client: Client): OAuthClient | undefined => client[clientProperty] as OAuthClient | undefined;

/** RFC 7591 metadata, which oidc-provider validates. A client that nobody may use now is unknown. */
export function clientMetadata(clientId: string, client: OAuthClient | undefined): AdapterPayload | undefined {
  if (isReservedAudience(clientId)) {
    return { client_id: clientId, token_endpoint_auth_method: 'none', grant_types: [tokenExchangeGrant], response_types: [], redirect_uris: [] };
  }
  // A client's own token has its id as `sub`: it must never look like a user.
  if (client === undefined || client.clientId.startsWith('@') || (!client.active && client.owners.length === 0)) return undefined;
  const hasRedirects = client.redirectUris.length > 0;
  return {
    client_id: client.clientId,
    client_name: client.name,
    grant_types: [tokenExchangeGrant, 'refresh_token', 'client_credentials', deviceCodeGrant, ...(hasRedirects ? ['authorization_code'] : [])],
    response_types: hasRedirects ? ['code'] : [],
    response_modes: ['query'],
    redirect_uris: client.redirectUris,
    [clientProperty]: client,
    // The library wants a secret to compare with; ours are hashes, and compareClientSecret is our own.
    ...(client.kind === 'public' ? { token_endpoint_auth_method: 'none' } : { token_endpoint_auth_method: 'client_secret_post', client_secret: 'kept as a hash' }),
  };
}
