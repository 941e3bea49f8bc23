import { insertRows, runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asUserId, type UserId } from '../kernel/ids.ts';

export type SessionOrigin = 'token_exchange' | 'authorization_code' | 'device_code';
export type ProofMethod = 'openid' | 'whoami' | 'mas' | 'sign_in';

/** What one user allowed one client, from the proof of who they are until it ends: every access token belongs to one. */
export interface Session {
  readonly id: string;
  readonly userId: UserId;
  readonly clientId: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  /** `miniapp_context` of the launch. */
  readonly context: Readonly<Record<string, unknown>> | undefined;
  readonly walletId: string;
  readonly origin: SessionOrigin;
  readonly provenBy: ProofMethod;
  readonly provenAt: number;
  readonly deviceId: string | undefined;
  readonly privilegedUntil: number | undefined;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Beyond the life of a refresh token that is issued now, so that the session is not extended at each use. */
export const sessionSlackMs = 24 * 3_600_000;

interface SessionRow {
  id: string;
  user_id: string;
  client_id: string;
  audience: string;
  scopes: string;
  context: string | null;
  wallet_id: string;
  origin: SessionOrigin;
  proof_method: ProofMethod;
  proven_at: number;
  device_id: string | null;
  subject_hash: string | null;
  privileged_until: number | null;
  created_at: number;
  expires_at: number;
}

const sessionColumns = {
  id: 'text',
  user_id: 'text',
  client_id: 'text',
  audience: 'text',
  scopes: 'text',
  context: 'text',
  wallet_id: 'text',
  origin: 'text',
  proof_method: 'text',
  proven_at: 'bigint',
  device_id: 'text',
  subject_hash: 'text',
  privileged_until: 'bigint',
  created_at: 'bigint',
  expires_at: 'bigint',
} as const;

const fromRow = (row: SessionRow): Session => ({
  id: row.id,
  userId: asUserId(row.user_id),
  clientId: row.client_id,
  audience: row.audience,
  scopes: row.scopes === '' ? [] : row.scopes.split(' '),
  context: row.context === null ? undefined : (JSON.parse(row.context) as Record<string, unknown>),
  walletId: row.wallet_id,
  origin: row.origin,
  provenBy: row.proof_method,
  provenAt: row.proven_at,
  deviceId: row.device_id ?? undefined,
  privilegedUntil: row.privileged_until ?? undefined,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
});

/**
 * The user's wallet id, reserved when it is first asked for (decision D3); no account is opened. On PostgreSQL the row stays
 * locked until the transaction ends, so that one user's exchanges run one after another.
 */
export async function lockUserWallet(tx: Transaction, userId: UserId, newWalletId: string, now: number): Promise<string> {
  const rows = await tx
    .sql('wallet_identity')
    .insert({ user_id: userId, wallet_id: newWalletId, created_at: now })
    .onConflict('user_id')
    .merge({ user_id: userId })
    .returning<{ wallet_id: string }[]>('wallet_id');
  return rows[0]!.wallet_id;
}

export async function insertSession(tx: Transaction, session: Session, subjectHash: string | undefined): Promise<void> {
  const row = {
    id: session.id,
    user_id: session.userId,
    client_id: session.clientId,
    audience: session.audience,
    scopes: session.scopes.join(' '),
    context: session.context === undefined ? null : JSON.stringify(session.context),
    wallet_id: session.walletId,
    origin: session.origin,
    proof_method: session.provenBy,
    proven_at: session.provenAt,
    device_id: session.deviceId ?? null,
    subject_hash: subjectHash ?? null,
    privileged_until: session.privilegedUntil ?? null,
    created_at: session.createdAt,
    expires_at: session.expiresAt,
  };
  await insertRows(tx, 'tep_session', sessionColumns, [row]);
}

/** A session that is neither revoked nor over. */
export async function findLiveSession(db: Queryable, id: string, now: number): Promise<Session | undefined> {
  const [row] = await runSql<SessionRow>(db, 'SELECT * FROM tep_session WHERE id = ? AND revoked_at IS NULL AND expires_at > ?', [id, now]);
  return row === undefined ? undefined : fromRow(row);
}

/** Those of these sessions that are neither revoked nor over. */
export async function listLiveSessions(db: Queryable, ids: readonly string[], now: number): Promise<Set<string>> {
  const among = db.dialect === 'postgres' ? '= ANY(?)' : 'IN (SELECT value FROM json_each(?))';
  const rows = await runSql<{ id: string }>(db, `SELECT id FROM tep_session WHERE id ${among} AND revoked_at IS NULL AND expires_at > ?`, [ids, now]);
  return new Set(rows.map(({ id }) => id));
}

/** Whether the session lives, which can't change then until the transaction ends: who ends it waits. */
export async function holdLiveSession(tx: Transaction, id: string, now: number): Promise<boolean> {
  const lock = tx.dialect === 'postgres' ? ' FOR SHARE' : '';
  return (await runSql(tx, `SELECT id FROM tep_session WHERE id = ? AND revoked_at IS NULL AND expires_at > ?${lock}`, [id, now])).length === 1;
}

export async function extendSession(db: Queryable, id: string, expiresAt: number): Promise<void> {
  await db.sql('tep_session').where({ id }).andWhere('expires_at', '<', expiresAt).update({ expires_at: expiresAt });
}

/** Which sessions; every field that is given must fit, and one must be given. */
export interface SessionFilter {
  readonly id?: string;
  readonly userId?: string;
  readonly clientId?: string;
  /** A mini-app's id, or a reserved audience. */
  readonly audience?: string;
  readonly subjectHash?: string;
}

/** Ends live sessions and returns their ids. */
export async function markRevoked(db: Queryable, filter: SessionFilter, now: number): Promise<string[]> {
  const columns = { id: filter.id, user_id: filter.userId, client_id: filter.clientId, audience: filter.audience, subject_hash: filter.subjectHash };
  const given = Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined));
  if (Object.keys(given).length === 0) throw new TypeError('which sessions?');
  const rows = await db.sql('tep_session').where(given).whereNull('revoked_at').update({ revoked_at: now }).returning<{ id: string }[]>('id');
  return rows.map((row) => row.id);
}

/** False when the token was spent before. */
export async function spendToken(tx: Transaction, tokenHash: string, expiresAt: number): Promise<boolean> {
  return (await insertRows(tx, 'spent_token', { token_hash: 'text', expires_at: 'bigint' }, [{ token_hash: tokenHash, expires_at: expiresAt }], 'ON CONFLICT (token_hash) DO NOTHING')) === 1;
}
