import { runSql, type Transaction } from '../database/index.ts';
import type { Session } from './session-repo.ts';

/** A refresh token that was exchanged a moment ago, for as long as the same request may be repeated (decision D3). */
export interface Rotation {
  readonly tokenHash: string;
  readonly successorHash: string;
  /** With the spent token itself it gives the successor again: neither the row nor the token alone does. */
  readonly salt: string;
  /** What was asked: only the same request is a retry. */
  readonly requestHash: string;
  readonly expiresAt: number;
}

/** False when the token was spent before, or the session that is given is over or has other scopes now. */
export async function spendRefreshToken(tx: Transaction, tokenHash: string, now: number, session?: Pick<Session, 'id' | 'scopes'>): Promise<boolean> {
  const spend = "UPDATE oidc_entry SET consumed_at = ? WHERE kind = 'RefreshToken' AND id_hash = ? AND consumed_at IS NULL";
  const unchanged = 'EXISTS (SELECT 1 FROM tep_session WHERE id = ? AND scopes = ? AND revoked_at IS NULL AND expires_at > ?)';
  const rows = session === undefined ? runSql(tx, `${spend} RETURNING id_hash`, [now, tokenHash]) : runSql(tx, `${spend} AND ${unchanged} RETURNING id_hash`, [now, tokenHash, session.id, session.scopes.join(' '), now]);
  return (await rows).length === 1;
}

export async function insertRotation(tx: Transaction, rotation: Rotation): Promise<void> {
  const { tokenHash, successorHash, salt, requestHash, expiresAt } = rotation;
  await runSql(tx, 'INSERT INTO refresh_rotation (token_hash, successor_hash, salt, request_hash, expires_at) VALUES (?, ?, ?, ?, ?)', [tokenHash, successorHash, salt, requestHash, expiresAt]);
}

/**
 * The salt for the one repetition that is allowed; undefined when there is none (any more). Once the successor is in use, who
 * still shows the token before it is not repeating a request whose answer was lost.
 */
export async function claimRetry(tx: Transaction, tokenHash: string, requestHash: string, now: number): Promise<string | undefined> {
  const rotation = () => tx.sql('refresh_rotation').where({ token_hash: tokenHash, request_hash: requestHash }).andWhere('expires_at', '>', now);
  const unused = tx.sql('oidc_entry').where({ kind: 'RefreshToken', consumed_at: null }).andWhere('id_hash', tx.sql.ref('refresh_rotation.successor_hash')).select(tx.sql.raw('1'));
  const row = await rotation().whereExists(unused).first<{ salt: string } | undefined>('salt');
  // Of several who read it, the one that deletes it has it.
  return row !== undefined && (await rotation().delete()) === 1 ? row.salt : undefined;
}
