import type { Database } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newSecret, sha256Hex } from '../kernel/ids.ts';
import type { AuditParty, RecordAudit } from './audit/index.ts';
import { findAdminToken, insertAdminToken, listAdminTokens, revokeAdminTokens, type AdminToken } from './repo.ts';

export interface AdminTokens {
  /** Makes a token for the administrator `name`; it is shown this once and stored hashed. */
  issue(name: string, lifetimeMs: number, by: AuditParty): Promise<{ token: string; expiresAt: number }>;
  /** @throws AppError INVALID_TOKEN */
  authenticate(token: string): Promise<{ readonly kind: 'admin'; readonly name: string }>;
  list(): Promise<AdminToken[]>;
  revoke(name: string, by: AuditParty): Promise<number>;
}

export function createAdminTokens({ database, clock, audit }: { readonly database: Database; readonly clock: Clock; readonly audit: RecordAudit }): AdminTokens {
  return {
    async issue(name, lifetimeMs, by) {
      const token = newSecret('adm_');
      const expiresAt = clock.now() + lifetimeMs;
      await database.inTransaction(async (tx) => {
        await insertAdminToken(tx, sha256Hex(token), { name, createdAt: clock.now(), expiresAt });
        await audit(tx, { actor: by, action: 'admin_token.issued', target: { kind: 'administrator', id: name }, details: { expires_at: isoTime(expiresAt) } });
      });
      return { token, expiresAt };
    },
    async authenticate(token) {
      const found = await findAdminToken(database, sha256Hex(token));
      if (found === undefined || found.revokedAt !== undefined || found.expiresAt <= clock.now()) throw new AppError('INVALID_TOKEN', 'Invalid or expired token');
      return { kind: 'admin', name: found.name };
    },
    list: () => listAdminTokens(database),
    revoke: (name, by) =>
      database.inTransaction(async (tx) => {
        const count = await revokeAdminTokens(tx, name, clock.now());
        await audit(tx, { actor: by, action: 'admin_token.revoked', target: { kind: 'administrator', id: name }, details: { count } });
        return count;
      }),
  };
}
