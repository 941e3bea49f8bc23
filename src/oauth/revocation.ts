import type { Transaction } from '../database/index.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import { isReservedAudience, type OAuthClient } from './clients.ts';
import { grantedScopes, recordAnswer } from './consent-repo.ts';
import type { OAuthParts } from './deps.ts';
import { authorizationRevokedEvent } from './events.ts';
import { listGrants, listHeldScopes, narrowSessions, type GrantRow } from './revocation-repo.ts';
import { decideScopes, obtainableScopes, scopeDefinitions } from './scopes.ts';
import { lockUserWallet, markRevoked } from './session-repo.ts';

export interface RevocationRequest {
  readonly userId: UserId;
  readonly miniappId: string;
  /** Undefined: all of them. */
  readonly scopes: readonly string[] | undefined;
  /** For the event (section 5.6) and the approval history (section 5.7). */
  readonly reason: 'user_initiated' | 'uninstall';
}

export interface RevocationOutcome {
  /** What the mini-app had and has no more; empty when there was nothing to withdraw. */
  readonly revokedScopes: readonly string[];
  readonly remainingScopes: readonly string[];
  readonly endedSessions: number;
  readonly revokedAt: number;
}

/** What a user has granted to a mini-app, and what it holds now. */
export interface AppGrants {
  readonly miniappId: string;
  readonly client: OAuthClient | undefined;
  readonly answers: readonly GrantRow[];
  readonly heldScopes: readonly string[];
  readonly sessions: number;
}

/** Specification section 5.5. */
export interface ScopeValidation {
  readonly valid: readonly string[];
  readonly denied: readonly { readonly scope: string; readonly reason: 'not_registered' | 'user_approval_required' }[];
  readonly consentRequired: readonly string[];
}

export interface Authorizations {
  /** Section 5.6, in the caller's transaction: tokens that hold a withdrawn scope are over, and everybody concerned is told. */
  revoke(tx: Transaction, request: RevocationRequest): Promise<RevocationOutcome>;
  list(userId: UserId): Promise<AppGrants[]>;
  /** For a user of the client; without one nothing counts as approved. */
  validate(client: OAuthClient, userId: UserId | undefined, scopes: readonly string[]): Promise<ScopeValidation>;
}

/** Sessions lose the scopes. Those of a whole revocation end. */
async function takeFromSessions(tx: Transaction, { userId, miniappId, scopes }: RevocationRequest, now: number) {
  if (scopes !== undefined) return narrowSessions(tx, userId, miniappId, new Set(scopes), now);
  const held = (await listHeldScopes(tx, userId, now)).get(miniappId);
  const ended = await markRevoked(tx, { userId, audience: miniappId }, now);
  return { ended, narrowed: [], lostScopes: [...(held?.scopes ?? [])] };
}

async function revoke(tx: Transaction, parts: OAuthParts, request: RevocationRequest): Promise<RevocationOutcome> {
  const { userId, miniappId, scopes, reason } = request;
  const now = parts.clock.now();
  // The same lock as an exchange takes: none can grant now what is withdrawn here.
  await lockUserWallet(tx, userId, newId('tw'), now);
  const granted = await grantedScopes(tx, userId, miniappId);
  const withdrawn = [...granted].filter((scope) => scopes === undefined || scopes.includes(scope));
  const { ended, narrowed, lostScopes } = await takeFromSessions(tx, request, now);
  await recordAnswer(tx, { userId, miniappId }, withdrawn, 'revoked', reason, now);
  const revokedScopes = [...new Set([...withdrawn, ...lostScopes])].sort();
  const held = (await listHeldScopes(tx, userId, now)).get(miniappId)?.scopes ?? new Set<string>();
  const remainingScopes = [...new Set([...[...granted].filter((scope) => !withdrawn.includes(scope)), ...held])].sort();
  tx.afterCommit(() => parts.sessions.forget([...ended, ...narrowed]));
  if (revokedScopes.length > 0 || ended.length > 0) {
    const revocation = { userId, miniappId, revokedScopes, remainingScopes, reason, revokedAt: now };
    const matrixScopes = (await parts.onScopesRevoked?.(tx, revocation)) ?? [];
    parts.events.emit(tx, authorizationRevokedEvent(revocation, matrixScopes));
    await parts.audit?.(tx, { action: 'scopes.revoked', userId, miniappId, scopes: revokedScopes, sessions: ended.length, reason });
  }
  return { revokedScopes, remainingScopes, endedSessions: ended.length, revokedAt: now };
}

export function createAuthorizations(parts: OAuthParts): Authorizations {
  const { database, clock, clients } = parts;
  return {
    revoke: (tx, request) => revoke(tx, parts, request),
    async list(userId) {
      const answers = Map.groupBy(await listGrants(database, userId), (row) => row.miniappId);
      const held = await listHeldScopes(database, userId, clock.now());
      const miniappIds = [...new Set([...answers.keys(), ...held.keys()])].filter((id) => !isReservedAudience(id)).sort();
      return Promise.all(
        miniappIds.map(async (miniappId) => ({
          miniappId,
          client: await clients.findClient(miniappId),
          answers: answers.get(miniappId) ?? [],
          heldScopes: [...(held.get(miniappId)?.scopes ?? [])].sort(),
          sessions: held.get(miniappId)?.sessions ?? 0,
        })),
      );
    },
    async validate(client, userId, scopes) {
      const obtainable = obtainableScopes(client);
      const unregistered = scopes.filter((scope) => !obtainable.includes(scope) || !Object.hasOwn(scopeDefinitions, scope));
      const granted = userId === undefined ? new Set<string>() : await grantedScopes(database, userId, client.miniappId);
      const { held, consentRequired } = decideScopes(client, scopes.filter((scope) => !unregistered.includes(scope)), granted);
      const refused = scopes.filter((scope) => !held.includes(scope));
      const denied = refused.map((scope) => ({ scope, reason: unregistered.includes(scope) ? ('not_registered' as const) : ('user_approval_required' as const) }));
      return { valid: held, denied, consentRequired };
    },
  };
}
