import type { Queryable } from '../database/index.ts';

/** A browser in which a user has signed in. */
export interface BrowserSession {
  /** SHA-256 of what the cookie holds. */
  readonly idHash: string;
  /** Stays when the cookie's value changes; what the user's list names it by. */
  readonly uidHash: string;
  readonly userId: string | undefined;
  readonly payload: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly expiresAt: number;
}

interface BrowserSessionRow {
  id_hash: string;
  uid_hash: string;
  user_id: string | null;
  payload: string;
  created_at: number;
  last_seen_at: number;
  expires_at: number;
}

const fromRow = (row: BrowserSessionRow): BrowserSession => ({
  idHash: row.id_hash,
  uidHash: row.uid_hash,
  userId: row.user_id ?? undefined,
  payload: row.payload,
  createdAt: row.created_at,
  lastSeenAt: row.last_seen_at,
  expiresAt: row.expires_at,
});

export async function saveBrowserSession(db: Queryable, session: BrowserSession): Promise<void> {
  const row = {
    id_hash: session.idHash,
    uid_hash: session.uidHash,
    user_id: session.userId ?? null,
    payload: session.payload,
    created_at: session.createdAt,
    last_seen_at: session.lastSeenAt,
    expires_at: session.expiresAt,
  };
  await db.sql('browser_session').insert(row).onConflict('id_hash').merge(row);
}

export async function findBrowserSession(db: Queryable, where: { readonly id_hash: string } | { readonly uid_hash: string }, now: number): Promise<BrowserSession | undefined> {
  const row = await db.sql('browser_session').where(where).andWhere('expires_at', '>', now).first<BrowserSessionRow | undefined>();
  return row === undefined ? undefined : fromRow(row);
}

export async function deleteBrowserSession(db: Queryable, idHash: string): Promise<void> {
  await db.sql('browser_session').where({ id_hash: idHash }).delete();
}

export async function listBrowserSessions(db: Queryable, userId: string, now: number): Promise<BrowserSession[]> {
  return (await db.sql('browser_session').where({ user_id: userId }).andWhere('expires_at', '>', now).orderBy('created_at').select<BrowserSessionRow[]>('*')).map(fromRow);
}

/** One of the user's own. Returns whether there was one. */
export async function endBrowserSession(db: Queryable, userId: string, uidHash: string): Promise<boolean> {
  return (await db.sql('browser_session').where({ user_id: userId, uid_hash: uidHash }).delete()) === 1;
}

/** All of the user's. Returns how many there were. */
export async function endBrowserSessions(db: Queryable, userId: string): Promise<number> {
  return db.sql('browser_session').where({ user_id: userId }).delete();
}

/** A sign-in that was sent elsewhere and has not come back. */
export interface SignInAttempt {
  readonly stateHash: string;
  /** Hash of the cookie of the browser that began it: it must be the one that comes back. */
  readonly browserHash: string;
  readonly way: string;
  readonly sealedVerifier: string;
  readonly returnTo: string;
  readonly expiresAt: number;
}

export async function insertSignInAttempt(db: Queryable, attempt: SignInAttempt): Promise<void> {
  await db.sql('sign_in_attempt').insert({
    state_hash: attempt.stateHash,
    browser_hash: attempt.browserHash,
    way: attempt.way,
    verifier_sealed: attempt.sealedVerifier,
    return_to: attempt.returnTo,
    expires_at: attempt.expiresAt,
  });
}

/** Takes the attempt, which counts once and in the browser where it began. */
export async function takeSignInAttempt(db: Queryable, stateHash: string, browserHash: string, now: number): Promise<SignInAttempt | undefined> {
  const attempt = () => db.sql('sign_in_attempt').where({ state_hash: stateHash, browser_hash: browserHash }).andWhere('expires_at', '>', now);
  const row = await attempt().first<{ way: string; verifier_sealed: string; return_to: string; expires_at: number } | undefined>('*');
  if (row === undefined || (await attempt().delete()) === 0) return undefined;
  return { stateHash, browserHash, way: row.way, sealedVerifier: row.verifier_sealed, returnTo: row.return_to, expiresAt: row.expires_at };
}
