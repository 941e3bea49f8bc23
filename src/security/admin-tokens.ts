import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newSecret, sha256Hex } from '../kernel/ids.ts';
import { findAdminToken, insertAdminToken, listAdminTokens, revokeAdminTokens, type AdminToken } from './repo.ts';

export interface AdminTokens {
  /** Makes a token for the administrator `name`; it is shown this once and stored hashed. */
  issue(name: string, lifetimeMs: number): Promise<{ token: string; expiresAt: number }>;
  /** @throws AppError INVALID_TOKEN */
  authenticate(token: string): Promise<{ readonly kind: 'admin'; readonly name: string }>;
  list(): Promise<AdminToken[]>;
  revoke(name: string): Promise<number>;
}

export function createAdminTokens(database: Database, clock: Clock): AdminTokens {
  return {
    async issue(name, lifetimeMs) {
      const token = newSecret('adm_');
      const expiresAt = clock.now() + lifetimeMs;
      await insertAdminToken(database, sha256Hex(token), { name, createdAt: clock.now(), expiresAt });
      return { token, expiresAt };
    },
    async authenticate(token) {
      const found = await findAdminToken(database, sha256Hex(token));
      if (found === undefined || found.revokedAt !== undefined || found.expiresAt <= clock.now()) throw new AppError('INVALID_TOKEN', 'Invalid or expired token');
      return { kind: 'admin', name: found.name };
    },
    list: () => listAdminTokens(database),
    revoke: (name) => revokeAdminTokens(database, name, clock.now()),
  };
}
