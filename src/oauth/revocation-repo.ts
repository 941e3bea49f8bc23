import type { Queryable, Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

/** Which sessions of a user lost which scopes. */
export interface NarrowedSessions {
  readonly ended: readonly string[];
  readonly narrowed: readonly string[];
  readonly lostScopes: readonly string[];
}

const words = (text: string): string[] => (text === '' ? [] : text.split(' '));

/** Takes scopes from the user's live sessions of the mini-app; one that has none left ends. */
export async function narrowSessions(tx: Transaction, userId: UserId, miniappId: string, scopes: ReadonlySet<string>, now: number): Promise<NarrowedSessions> {
  const live = tx.sql('tep_session').where({ user_id: userId, audience: miniappId }).whereNull('revoked_at').andWhere('expires_at', '>', now).select<{ id: string; scopes: string }[]>('id', 'scopes');
  const rows = await (tx.dialect === 'postgres' ? live.forUpdate() : live);
  const ended: string[] = [];
  const narrowed: string[] = [];
  const lost = new Set<string>();
  for (const { id, scopes: held } of rows) {
    const kept = words(held).filter((scope) => !scopes.has(scope));
    const gone = words(held).filter((scope) => scopes.has(scope));
    if (gone.length === 0) continue;
    for (const scope of gone) lost.add(scope);
    (kept.length === 0 ? ended : narrowed).push(id);
    await tx.sql('tep_session').where({ id }).update(kept.length === 0 ? { revoked_at: now } : { scopes: kept.join(' ') });
  }
  return { ended, narrowed, lostScopes: [...lost] };
}

export interface GrantRow {
  readonly miniappId: string;
  readonly scope: string;
  readonly state: 'granted' | 'denied' | 'revoked';
  readonly method: string;
  readonly grantedAt: number | undefined;
  readonly deniedAt: number | undefined;
  readonly revokedAt: number | undefined;
}

/** Every answer that the user ever gave, by mini-app and scope. */
export async function listGrants(db: Queryable, userId: UserId): Promise<GrantRow[]> {
  const rows = await db
    .sql('scope_grant')
    .where({ user_id: userId })
    .orderBy(['miniapp_id', 'scope'])
    .select<{ miniapp_id: string; scope: string; state: GrantRow['state']; method: string; granted_at: number | null; denied_at: number | null; revoked_at: number | null }[]>('*');
  return rows.map((row) => ({
    miniappId: row.miniapp_id,
    scope: row.scope,
    state: row.state,
    method: row.method,
    grantedAt: row.granted_at ?? undefined,
    deniedAt: row.denied_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
  }));
}

/** How many sessions of the user live, and with which scopes, by mini-app. */
export async function listHeldScopes(db: Queryable, userId: UserId, now: number): Promise<Map<string, { sessions: number; scopes: Set<string> }>> {
  const rows = await db.sql('tep_session').where({ user_id: userId }).whereNull('revoked_at').andWhere('expires_at', '>', now).select<{ audience: string; scopes: string }[]>('audience', 'scopes');
  const held = new Map<string, { sessions: number; scopes: Set<string> }>();
  for (const { audience, scopes } of rows) {
    const entry = held.get(audience) ?? { sessions: 0, scopes: new Set<string>() };
    entry.sessions += 1;
    for (const scope of words(scopes)) entry.scopes.add(scope);
    held.set(audience, entry);
  }
  return held;
}
