import { deviceCodeGrant, tokenExchangeGrant } from './client-metadata.ts';
import { scopeDefinitions } from './scopes.ts';

const clientAuthMethods = ['none', 'client_secret_post', 'client_secret_basic'];

/** RFC 8414 metadata: what works, and nothing that does not. */
export const authorizationServerMetadata = (issuer: string): Readonly<Record<string, unknown>> => ({
  issuer,
  authorization_endpoint: `${issuer}/oauth2/authorize`,
  device_authorization_endpoint: `${issuer}/oauth2/device/authorization`,
  token_endpoint: `${issuer}/oauth2/token`,
  introspection_endpoint: `${issuer}/oauth2/introspect`,
  revocation_endpoint: `${issuer}/oauth2/revoke`,
  jwks_uri: `${issuer}/.well-known/jwks.json`,
  grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials', deviceCodeGrant, tokenExchangeGrant],
  response_types_supported: ['code'],
  response_modes_supported: ['query'],
  code_challenge_methods_supported: ['S256'],
  authorization_response_iss_parameter_supported: true,
  token_endpoint_auth_methods_supported: clientAuthMethods,
  introspection_endpoint_auth_methods_supported: clientAuthMethods,
  revocation_endpoint_auth_methods_supported: clientAuthMethods,
  scopes_supported: Object.keys(scopeDefinitions),
});
