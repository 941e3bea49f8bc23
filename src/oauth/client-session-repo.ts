import type { Queryable } from '../database/index.ts';

/** What a confidential client got for itself: no user, no consent, no refresh token. */
export interface ClientSession {
  readonly id: string;
  readonly clientId: string;
  readonly miniappId: string;
  readonly scopes: readonly string[];
  readonly privilegedUntil: number | undefined;
  readonly createdAt: number;
  readonly expiresAt: number;
}

interface ClientSessionRow {
  id: string;
  client_id: string;
  miniapp_id: string;
  scopes: string;
  privileged_until: number | null;
  created_at: number;
  expires_at: number;
}

export async function insertClientSession(db: Queryable, session: ClientSession): Promise<void> {
  await db.sql('client_session').insert({
    id: session.id,
    client_id: session.clientId,
    miniapp_id: session.miniappId,
    scopes: session.scopes.join(' '),
    privileged_until: session.privilegedUntil ?? null,
    created_at: session.createdAt,
    expires_at: session.expiresAt,
  });
}

/** One that is neither revoked nor over. */
export async function findLiveClientSession(db: Queryable, id: string, now: number): Promise<ClientSession | undefined> {
  const row = await db.sql('client_session').where({ id }).whereNull('revoked_at').andWhere('expires_at', '>', now).first<ClientSessionRow | undefined>();
  if (row === undefined) return undefined;
  return {
    id: row.id,
    clientId: row.client_id,
    miniappId: row.miniapp_id,
    scopes: row.scopes === '' ? [] : row.scopes.split(' '),
    privilegedUntil: row.privileged_until ?? undefined,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}

/** Ends live ones and returns their ids. */
export async function revokeClientSessions(db: Queryable, filter: { readonly id?: string; readonly clientId?: string; readonly miniappId?: string }, now: number): Promise<string[]> {
  const columns = { id: filter.id, client_id: filter.clientId, miniapp_id: filter.miniappId };
  const given = Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined));
  if (Object.keys(given).length === 0) throw new TypeError('which client sessions?');
  const rows = await db.sql('client_session').where(given).whereNull('revoked_at').update({ revoked_at: now }).returning<{ id: string }[]>('id');
  return rows.map((row) => row.id);
}
