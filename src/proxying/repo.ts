import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

/** Whom and what a grant of Matrix powers is for. */
export interface GrantKey {
  readonly userId: UserId;
  readonly miniappId: string;
}

export interface MatrixGrant extends GrantKey {
  readonly sealedRefreshToken: string;
  readonly sealedAccessToken: string;
  /** Milliseconds since the epoch. */
  readonly accessExpiresAt: number;
  readonly fence: number;
}

interface Row {
  user_id: string;
  miniapp_id: string;
  sealed_refresh_token: string;
  sealed_access_token: string;
  access_expires_at: number;
  fence: number;
}

const fromRow = (row: Row): MatrixGrant => ({
  userId: row.user_id as UserId,
  miniappId: row.miniapp_id,
  sealedRefreshToken: row.sealed_refresh_token,
  sealedAccessToken: row.sealed_access_token,
  accessExpiresAt: row.access_expires_at,
  fence: row.fence,
});

export async function findGrant(db: Queryable, { userId, miniappId }: GrantKey): Promise<MatrixGrant | undefined> {
  const [row] = await runSql<Row>(db, 'SELECT * FROM matrix_grant WHERE user_id = ? AND miniapp_id = ?', [userId, miniappId]);
  return row === undefined ? undefined : fromRow(row);
}

export async function insertGrant(tx: Transaction, grant: MatrixGrant, settleBy: number): Promise<void> {
  await tx.sql('matrix_grant').insert({
    user_id: grant.userId,
    miniapp_id: grant.miniappId,
    sealed_refresh_token: grant.sealedRefreshToken,
    sealed_access_token: grant.sealedAccessToken,
    access_expires_at: grant.accessExpiresAt,
    fence: grant.fence,
    lease_until: 0,
    settle_by: settleBy,
  });
}

/** Takes the right to refresh, until then; false when somebody else has it, or the grant has changed since it was read. */
export async function leaseGrant(db: Queryable, { userId, miniappId, fence }: MatrixGrant, now: number, until: number): Promise<boolean> {
  return (await db.sql('matrix_grant').where({ user_id: userId, miniapp_id: miniappId, fence }).andWhere('lease_until', '<=', now).update({ lease_until: until, fence: fence + 1 })) === 1;
}

/** Stores what a refresh gave, or that it failed; false when the lease has gone to another meanwhile, or the grant is over. */
export async function endLease(db: Queryable, { userId, miniappId, fence }: MatrixGrant, renewed: Pick<MatrixGrant, 'sealedRefreshToken' | 'sealedAccessToken' | 'accessExpiresAt'> | undefined): Promise<boolean> {
  const tokens = renewed === undefined ? {} : { sealed_refresh_token: renewed.sealedRefreshToken, sealed_access_token: renewed.sealedAccessToken, access_expires_at: renewed.accessExpiresAt };
  return (await db.sql('matrix_grant').where({ user_id: userId, miniapp_id: miniappId, fence: fence + 1 }).update({ ...tokens, lease_until: 0 })) === 1;
}

/** Deletes grants and returns them, so that they can be ended where they came from; of one app, or all of a user's. */
export async function takeGrants(tx: Transaction, { userId, miniappId }: { readonly userId: string; readonly miniappId?: string }): Promise<MatrixGrant[]> {
  const [also, bindings] = miniappId === undefined ? ['', [userId]] : [' AND miniapp_id = ?', [userId, miniappId]];
  return (await runSql<Row>(tx, `DELETE FROM matrix_grant WHERE user_id = ?${also} RETURNING *`, bindings)).map(fromRow);
}

/** Those whose time to be settled is over. */
export async function listUnsettled(db: Queryable, now: number, limit: number): Promise<MatrixGrant[]> {
  return ((await db.sql('matrix_grant').where('settle_by', '<=', now).orderBy('settle_by').limit(limit)) as Row[]).map(fromRow);
}

export async function settleGrant(db: Queryable, { userId, miniappId }: GrantKey): Promise<void> {
  await db.sql('matrix_grant').where({ user_id: userId, miniapp_id: miniappId }).update({ settle_by: null });
}
