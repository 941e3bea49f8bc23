import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import { isReservedAudience, type OAuthClient } from './clients.ts';
import type { OAuth } from './index.ts';
import type { AppGrants } from './revocation.ts';
import { parseScopes, scopeDefinitions } from './scopes.ts';

const when = (time: number | undefined): string | undefined => (time === undefined ? undefined : isoTime(time));

const grantRow = ({ miniappId, client, answers, heldScopes, sessions }: AppGrants): object => ({
  miniapp_id: miniappId,
  name: client?.name ?? miniappId,
  sessions,
  held_scopes: heldScopes,
  scopes: answers.map(({ scope, state, method, grantedAt, deniedAt, revokedAt }) => ({
    scope,
    description: scopeDefinitions[scope]?.description ?? scope,
    sensitivity: scopeDefinitions[scope]?.sensitivity ?? 'high',
    state,
    approval_method: method,
    granted_at: when(grantedAt),
    denied_at: when(deniedAt),
    revoked_at: when(revokedAt),
  })),
});

/** Whose grant the caller may withdraw: a mini-app's own token reaches its own app only (decision D21). */
function revoker({ principal }: ApiRequest, miniappId: string): UserId {
  if (principal.kind === 'matrix') return principal.userId;
  if (principal.kind !== 'session') throw new AppError('INSUFFICIENT_PERMISSIONS', 'This endpoint is for users');
  if (principal.audience !== miniappId && !isReservedAudience(principal.audience)) throw new AppError('INSUFFICIENT_PERMISSIONS', 'A mini-app withdraws only what it was granted itself');
  return principal.userId;
}

export function oauthRoutes(oauth: Pick<OAuth, 'authorizations' | 'findClient' | 'inTransaction'>): Routes {
  const clientOf = async (clientId: string): Promise<OAuthClient> => {
    const client = await oauth.findClient(clientId);
    if (client === undefined) throw new AppError('MINIAPP_NOT_FOUND', 'No such mini-app');
    return client;
  };
  return {
    revokeGrants: async (request) => {
      const { miniapp_id: miniappId, scopes } = request.body as { miniapp_id: string; scopes?: string[] };
      const userId = revoker(request, miniappId);
      await clientOf(miniappId);
      const unknown = scopes?.find((scope) => !Object.hasOwn(scopeDefinitions, scope));
      if (unknown !== undefined) throw new AppError('INVALID_SCOPE', `There is no scope ${unknown}`, { details: { scope: unknown } });
      const outcome = await oauth.inTransaction((tx) => oauth.authorizations.revoke(tx, { userId, miniappId, scopes, reason: 'user_initiated' }));
      return answer({ miniapp_id: miniappId, revoked_scopes: outcome.revokedScopes, remaining_scopes: outcome.remainingScopes, sessions_ended: outcome.endedSessions, revoked_at: isoTime(outcome.revokedAt) });
    },
    listGrants: async (request) => answer({ grants: (await oauth.authorizations.list(principalOf(request, 'matrix').userId)).map(grantRow) }),
    validateScopes: async ({ principal, body }) => {
      const { scopes, scope } = body as { scopes?: string[]; scope?: string };
      const asked = [...new Set(scopes ?? parseScopes(scope ?? ''))];
      if ((principal.kind !== 'session' && principal.kind !== 'client') || isReservedAudience(principal.clientId)) throw new AppError('INSUFFICIENT_PERMISSIONS', 'This endpoint is for mini-apps');
      const result = await oauth.authorizations.validate(await clientOf(principal.clientId), principal.kind === 'session' ? principal.userId : undefined, asked);
      return answer({ valid: result.valid, denied: result.denied, consent_required: result.consentRequired });
    },
  };
}
