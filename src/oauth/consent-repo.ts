import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asMiniAppId, asUserId, type MiniAppId, type UserId } from '../kernel/ids.ts';

export type GrantState = 'granted' | 'denied' | 'revoked';

/** The scopes that the user has granted to the mini-app and not withdrawn. */
export async function grantedScopes(db: Queryable, userId: UserId, miniappId: string): Promise<Set<string>> {
  return new Set(await db.sql('scope_grant').where({ user_id: userId, miniapp_id: miniappId, state: 'granted' }).pluck<string[]>('scope'));
}

/** Those of the users who have granted the scope to any mini-app. */
export async function usersWhoGranted(db: Queryable, userIds: readonly UserId[], scope: string): Promise<UserId[]> {
  if (userIds.length === 0) return [];
  const rows = await runSql<{ user_id: string }>(db, `SELECT DISTINCT user_id FROM scope_grant WHERE user_id IN (${userIds.map(() => '?').join(', ')}) AND scope = ? AND state = 'granted' ORDER BY user_id`, [...userIds, scope]);
  return rows.map((row) => asUserId(row.user_id));
}

/** The mini-apps to which the user has granted the scope. */
export async function appsGranted(db: Queryable, userId: UserId, scope: string): Promise<MiniAppId[]> {
  const rows = await runSql<{ miniapp_id: string }>(db, `SELECT miniapp_id FROM scope_grant WHERE user_id = ? AND scope = ? AND state = 'granted' ORDER BY miniapp_id`, [userId, scope]);
  return rows.map((row) => asMiniAppId(row.miniapp_id));
}

export interface Approval {
  readonly scope: string;
  readonly approvedAt: number;
  readonly method: string;
}

/** What the user has granted to the mini-app and not withdrawn, with when and how (section 5.7). */
export async function listApprovals(db: Queryable, userId: UserId, miniappId: string): Promise<Approval[]> {
  // Sorted here: with ORDER BY, SQLite compiles the statement anew for each pair of bindings, which takes ten times as long as running it.
  const rows = await runSql<{ scope: string; granted_at: number; method: string }>(db, "SELECT scope, granted_at, method FROM scope_grant WHERE user_id = ? AND miniapp_id = ? AND state = 'granted'", [userId, miniappId]);
  return rows.map(({ scope, granted_at: approvedAt, method }) => ({ scope, approvedAt, method })).sort((a, b) => (a.scope < b.scope ? -1 : 1));
}

/** Remembers the user's last answer for each scope; when an earlier, different one was given stays known. */
export async function recordAnswer(tx: Transaction, who: { userId: UserId; miniappId: string }, scopes: readonly string[], state: GrantState, method: string, now: number): Promise<void> {
  if (scopes.length === 0) return;
  const rows = scopes.map((scope) => ({ user_id: who.userId, miniapp_id: who.miniappId, scope, state, method, [`${state}_at`]: now }));
  await tx.sql('scope_grant').insert(rows).onConflict(['user_id', 'miniapp_id', 'scope']).merge(['state', 'method', `${state}_at`]);
}

/** A question to the user that is open for a while (decision D4). */
export interface ConsentRequest {
  readonly idHash: string;
  readonly userId: string;
  readonly clientId: string;
  readonly miniappId: string;
  readonly askedScopes: readonly string[];
  readonly heldScopes: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number;
}

export async function insertConsentRequest(tx: Transaction, request: ConsentRequest): Promise<void> {
  await tx.sql('consent_request').insert({
    id_hash: request.idHash,
    state: 'pending',
    user_id: request.userId,
    client_id: request.clientId,
    miniapp_id: request.miniappId,
    asked_scopes: request.askedScopes.join(' '),
    held_scopes: request.heldScopes.join(' '),
    created_at: request.createdAt,
    expires_at: request.expiresAt,
  });
}

interface ConsentRow {
  id_hash: string;
  user_id: string;
  client_id: string;
  miniapp_id: string;
  asked_scopes: string;
  held_scopes: string;
  created_at: number;
  expires_at: number;
}

const words = (text: string): string[] => (text === '' ? [] : text.split(' '));

/** A question that nobody has answered and that is not too old. */
export async function findPendingConsent(db: Queryable, idHash: string, now: number): Promise<ConsentRequest | undefined> {
  const row = await db.sql('consent_request').where({ id_hash: idHash, state: 'pending' }).andWhere('expires_at', '>', now).first<ConsentRow | undefined>();
  if (row === undefined) return undefined;
  return {
    idHash: row.id_hash,
    userId: row.user_id,
    clientId: row.client_id,
    miniappId: row.miniapp_id,
    askedScopes: words(row.asked_scopes),
    heldScopes: words(row.held_scopes),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}

/** False when another request answered it first. */
export async function markAnswered(tx: Transaction, idHash: string, now: number): Promise<boolean> {
  return (await tx.sql('consent_request').where({ id_hash: idHash, state: 'pending' }).andWhere('expires_at', '>', now).update({ state: 'answered', answered_at: now })) === 1;
}
