import type { Console, DeveloperTokens } from './developers/index.ts';
import type { Authenticators } from './http/index.ts';
import { asMiniAppId } from './kernel/ids.ts';
import type { OAuth } from './oauth/index.ts';
import type { AdminTokens } from './security/admin-tokens.ts';

/** Who may call, by the kinds of token there are. */
export function authenticatorsOf(oauth: OAuth, admins: Pick<AdminTokens, 'authenticate'>, developers: { readonly tokens: Pick<DeveloperTokens, 'verify'>; readonly console: Pick<Console, 'authenticate'> }): Authenticators {
  return {
    async accessToken(token) {
      const bearer = await oauth.verifyBearer(token);
      return bearer.kind === 'user' ? { ...bearer.principal, kind: 'session' } : { ...bearer.principal, kind: 'client', miniappId: asMiniAppId(bearer.principal.miniappId) };
    },
    adminToken: (token) => admins.authenticate(token),
    matrixToken: async (token) => ({ kind: 'matrix', userId: (await oauth.verifyMatrixToken(token)).userId }),
    clientSecret: async (clientId, secret) => {
      const client = await oauth.verifyClientSecret(clientId, secret);
      return { kind: 'client', clientId, miniappId: asMiniAppId(client.miniappId), scopes: client.scopes, privileged: false };
    },
    developerToken: async (token) => ({ kind: 'developer', ...(await developers.tokens.verify(token)) }),
    platformSecret: async (clientId, secret) => {
      await developers.console.authenticate(clientId, secret);
      return { kind: 'platform', clientId };
    },
  };
}
