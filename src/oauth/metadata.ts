import { tokenExchangeGrant } from './client-metadata.ts';
import { scopeDefinitions } from './scopes.ts';

const clientAuthMethods = ['none', 'client_secret_post', 'client_secret_basic'];

/** RFC 8414 metadata: what works, and nothing that does not. */
export const authorizationServerMetadata = (issuer: string): Readonly<Record<string, unknown>> => ({
  issuer,
  token_endpoint: `${issuer}/oauth2/token`,
  introspection_endpoint: `${issuer}/oauth2/introspect`,
  revocation_endpoint: `${issuer}/oauth2/revoke`,
  jwks_uri: `${issuer}/.well-known/jwks.json`,
  grant_types_supported: [tokenExchangeGrant, 'refresh_token', 'client_credentials'],
  response_types_supported: [],
  token_endpoint_auth_methods_supported: clientAuthMethods,
  introspection_endpoint_auth_methods_supported: clientAuthMethods,
  revocation_endpoint_auth_methods_supported: clientAuthMethods,
  scopes_supported: Object.keys(scopeDefinitions),
});
