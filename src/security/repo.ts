import type { Queryable } from '../database/index.ts';

export interface AdminToken {
  readonly name: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | undefined;
}

interface AdminTokenRow {
  hash: string;
  name: string;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
}

const tokenFromRow = (row: AdminTokenRow): AdminToken => ({ name: row.name, createdAt: row.created_at, expiresAt: row.expires_at, revokedAt: row.revoked_at ?? undefined });

export async function insertAdminToken(db: Queryable, hash: string, token: Omit<AdminToken, 'revokedAt'>): Promise<void> {
  await db.sql('admin_token').insert({ hash, name: token.name, created_at: token.createdAt, expires_at: token.expiresAt, revoked_at: null });
}

export async function findAdminToken(db: Queryable, hash: string): Promise<AdminToken | undefined> {
  const row = await db.sql<AdminTokenRow>('admin_token').where({ hash }).first();
  return row === undefined ? undefined : tokenFromRow(row);
}

export async function listAdminTokens(db: Queryable): Promise<AdminToken[]> {
  return (await db.sql<AdminTokenRow>('admin_token').orderBy('created_at')).map(tokenFromRow);
}

/** Returns how many tokens of this name were good until now. */
export async function revokeAdminTokens(db: Queryable, name: string, now: number): Promise<number> {
  return db.sql('admin_token').where({ name, revoked_at: null }).andWhere('expires_at', '>', now).update({ revoked_at: now });
}
