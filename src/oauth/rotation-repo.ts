import type { Transaction } from '../database/index.ts';

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

/** False when the token was spent before. */
export async function spendRefreshToken(tx: Transaction, tokenHash: string, now: number): Promise<boolean> {
  return (await tx.sql('oidc_entry').where({ kind: 'RefreshToken', id_hash: tokenHash }).whereNull('consumed_at').update({ consumed_at: now })) === 1;
}

export async function insertRotation(tx: Transaction, rotation: Rotation): Promise<void> {
  await tx.sql('refresh_rotation').insert({
    token_hash: rotation.tokenHash,
    successor_hash: rotation.successorHash,
    salt: rotation.salt,
    request_hash: rotation.requestHash,
    expires_at: rotation.expiresAt,
  });
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
