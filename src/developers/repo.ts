import type { Queryable, Transaction } from '../database/index.ts';
import { asUserId, type UserId } from '../kernel/ids.ts';

/** One sign-in of a developer, until it ends. */
export interface DeveloperSession {
  readonly id: string;
  readonly userId: UserId;
  readonly clientId: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

interface SessionRow {
  id: string;
  user_id: string;
  client_id: string;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
}

const sessionFromRow = (row: SessionRow): DeveloperSession => ({ id: row.id, userId: asUserId(row.user_id), clientId: row.client_id, createdAt: row.created_at, expiresAt: row.expires_at });

/** True when the developer was unknown until now. */
export async function ensureDeveloper(tx: Transaction, userId: UserId, now: number): Promise<boolean> {
  const rows = await tx.sql('developer').insert({ user_id: userId, created_at: now }).onConflict('user_id').ignore().returning<object[]>('user_id');
  return rows.length === 1;
}

export async function isKnownDeveloper(db: Queryable, userId: string): Promise<boolean> {
  return (await db.sql('developer').where({ user_id: userId }).first('user_id')) !== undefined;
}

export async function insertSession(tx: Transaction, session: DeveloperSession): Promise<void> {
  await tx.sql('developer_session').insert({ id: session.id, user_id: session.userId, client_id: session.clientId, created_at: session.createdAt, expires_at: session.expiresAt, revoked_at: null });
}

/** A session that is neither ended nor over, of somebody who is a developer now. */
export async function findLiveSession(db: Queryable, id: string, now: number): Promise<DeveloperSession | undefined> {
  const row = await db
    .sql('developer_session')
    .join('developer_whitelist', 'developer_whitelist.user_id', 'developer_session.user_id')
    .where({ 'developer_session.id': id, 'developer_whitelist.state': 'listed' })
    .whereNull('developer_session.revoked_at')
    .andWhere('developer_session.expires_at', '>', now)
    .first<SessionRow | undefined>('developer_session.*');
  return row === undefined ? undefined : sessionFromRow(row);
}

/** Whoever's it is, and whether or not it has ended. */
export async function findSession(db: Queryable, id: string): Promise<(DeveloperSession & { readonly isRevoked: boolean }) | undefined> {
  const row = await db.sql('developer_session').where({ id }).first<SessionRow | undefined>();
  return row === undefined ? undefined : { ...sessionFromRow(row), isRevoked: row.revoked_at !== null };
}

/** Ends what still lives and returns how many did. */
export async function endSessions(db: Queryable, which: { readonly id: string } | { readonly user_id: string }, now: number): Promise<number> {
  return db.sql('developer_session').where(which).whereNull('revoked_at').andWhere('expires_at', '>', now).update({ revoked_at: now });
}

export async function extendSession(tx: Transaction, id: string, expiresAt: number): Promise<void> {
  await tx.sql('developer_session').where({ id }).update({ expires_at: expiresAt });
}

/** An authorization code for a developer, bound to whom it was promised. */
export interface DeveloperCode {
  readonly hash: string;
  readonly userId: UserId;
  readonly clientId: string;
  readonly redirectUri: string;
  /** S256 (RFC 7636). */
  readonly codeChallenge: string;
  readonly expiresAt: number;
}

interface CodeRow {
  hash: string;
  user_id: string;
  client_id: string;
  redirect_uri: string;
  code_challenge: string;
  expires_at: number;
  consumed_at: number | null;
  session_id: string | null;
}

export async function insertCode(tx: Transaction, code: DeveloperCode): Promise<void> {
  await tx.sql('developer_code').insert({
    hash: code.hash,
    user_id: code.userId,
    client_id: code.clientId,
    redirect_uri: code.redirectUri,
    code_challenge: code.codeChallenge,
    expires_at: code.expiresAt,
  });
}

export async function findCode(db: Queryable, hash: string): Promise<(DeveloperCode & { readonly sessionId: string | undefined }) | undefined> {
  const row = await db.sql('developer_code').where({ hash }).first<CodeRow | undefined>();
  if (row === undefined) return undefined;
  return {
    hash,
    userId: asUserId(row.user_id),
    clientId: row.client_id,
    redirectUri: row.redirect_uri,
    codeChallenge: row.code_challenge,
    expiresAt: row.expires_at,
    sessionId: row.session_id ?? undefined,
  };
}

/** False when it was used before. */
export async function consumeCode(tx: Transaction, hash: string, sessionId: string, now: number): Promise<boolean> {
  return (await tx.sql('developer_code').where({ hash }).whereNull('consumed_at').update({ consumed_at: now, session_id: sessionId })) === 1;
}

export async function deleteUnusedCodes(tx: Transaction, userId: string): Promise<void> {
  await tx.sql('developer_code').where({ user_id: userId }).whereNull('consumed_at').delete();
}

export async function insertRefreshToken(tx: Transaction, token: { readonly hash: string; readonly sessionId: string; readonly expiresAt: number }): Promise<void> {
  await tx.sql('developer_refresh_token').insert({ hash: token.hash, session_id: token.sessionId, expires_at: token.expiresAt });
}

export async function findRefreshToken(db: Queryable, hash: string): Promise<{ readonly sessionId: string; readonly expiresAt: number } | undefined> {
  const row = await db.sql('developer_refresh_token').where({ hash }).first<{ session_id: string; expires_at: number } | undefined>('session_id', 'expires_at');
  return row === undefined ? undefined : { sessionId: row.session_id, expiresAt: row.expires_at };
}

/** False when it was used before: by whoever holds a copy, or by another request at the same moment. */
export async function consumeRefreshToken(tx: Transaction, hash: string, now: number): Promise<boolean> {
  return (await tx.sql('developer_refresh_token').where({ hash }).whereNull('consumed_at').update({ consumed_at: now })) === 1;
}

/** Deletes what is over: codes, refresh tokens, sessions. Returns how many rows went. */
export async function purgeExpiredDeveloperTokens(tx: Transaction, now: number): Promise<number> {
  const over = (table: string): Promise<number> => tx.sql(table).where('expires_at', '<=', now).delete();
  return (await over('developer_code')) + (await over('developer_refresh_token')) + (await over('developer_session'));
}
