import { runSql, type Transaction } from '../database/index.ts';
import type { Session } from './session-repo.ts';

/** How a refresh token is spent, and what the same request may be repeated with for a moment (decision D3): it stays in the token's row. */
export interface Rotation {
  readonly tokenHash: string;
  readonly successorHash: string;
  /** With the spent token itself it gives the successor again: neither the row nor the token alone does. */
  readonly salt: string;
  /** What was asked: only the same request is a retry. */
  readonly requestHash: string;
  readonly retryUntil: number;
}

/** False when the token was spent before, or the session that is given is over or has other scopes now. */
export async function spendRefreshToken(tx: Transaction, { tokenHash, successorHash, salt, requestHash, retryUntil }: Rotation, now: number, session?: Pick<Session, 'id' | 'scopes'>): Promise<boolean> {
  const spend = "UPDATE oidc_entry SET consumed_at = ?, successor_hash = ?, retry_salt = ?, retry_hash = ?, retry_until = ? WHERE kind = 'RefreshToken' AND id_hash = ? AND consumed_at IS NULL";
  const unchanged = 'EXISTS (SELECT 1 FROM tep_session WHERE id = ? AND scopes = ? AND revoked_at IS NULL AND expires_at > ?)';
  const values = [now, successorHash, salt, requestHash, retryUntil, tokenHash];
  const rows = session === undefined ? runSql(tx, `${spend} RETURNING id_hash`, values) : runSql(tx, `${spend} AND ${unchanged} RETURNING id_hash`, [...values, session.id, session.scopes.join(' '), now]);
  return (await rows).length === 1;
}

/**
 * The salt for the one repetition that is allowed; undefined when there is none (any more). Once the successor is in use, who
 * still shows the token before it is not repeating a request whose answer was lost.
 */
export async function claimRetry(tx: Transaction, tokenHash: string, requestHash: string, now: number): Promise<string | undefined> {
  const unused = "EXISTS (SELECT 1 FROM oidc_entry successor WHERE successor.kind = 'RefreshToken' AND successor.id_hash = spent.successor_hash AND successor.consumed_at IS NULL)";
  const [row] = await runSql<{ retry_salt: string }>(tx, `SELECT retry_salt FROM oidc_entry spent WHERE kind = 'RefreshToken' AND id_hash = ? AND retry_hash = ? AND retry_until > ? AND ${unused}`, [tokenHash, requestHash, now]);
  if (row === undefined) return undefined;
  // Of several who read it, the one that takes it away has it.
  const claimed = await runSql(tx, "UPDATE oidc_entry SET retry_salt = NULL, retry_hash = NULL, retry_until = NULL WHERE kind = 'RefreshToken' AND id_hash = ? AND retry_salt = ? RETURNING id_hash", [tokenHash, row.retry_salt]);
  return claimed.length === 1 ? row.retry_salt : undefined;
}
