import type { Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

/** Lifts every lock and forgets every failure. Returns whether there was any. */
export async function clearAllAttempts(tx: Transaction, userId: UserId): Promise<boolean> {
  return (await tx.sql('mfa_attempt').where({ user_id: userId }).delete()) > 0;
}

/** Everything that the user has enrolled, or has begun to. */
export async function deleteAllFactors(tx: Transaction, userId: UserId): Promise<void> {
  for (const table of ['mfa_pin', 'mfa_totp', 'mfa_recovery_code', 'mfa_device', 'mfa_passkey', 'mfa_ceremony', 'mfa_challenge', 'mfa_attempt']) {
    await tx.sql(table).where({ user_id: userId }).delete();
  }
}
