import { insertRows, type Database, type Transaction } from '../database/index.ts';

/** RFC 8628 section 3.2: what a device waits between two questions, and what is added each time it does not (section 3.5). */
export const pollIntervalMs = 5_000;

/** Whether a device waited long enough. It is told so across instances, and has to wait longer each time it did not. */
export async function mayPoll(database: Database, codeHash: string, now: number, expiresAt: number): Promise<boolean> {
  return database.inTransaction(async (tx) => {
    const row = { code_hash: codeHash, last_at: now, interval_ms: pollIntervalMs, expires_at: expiresAt };
    const columns = { code_hash: 'text', last_at: 'bigint', interval_ms: 'bigint', expires_at: 'bigint' } as const;
    if ((await insertRows(tx, 'device_poll', columns, [row], 'ON CONFLICT (code_hash) DO NOTHING')) === 1) return true;
    const poll = () => tx.sql('device_poll').where({ code_hash: codeHash });
    if ((await poll().whereRaw('last_at + interval_ms <= ?', [now]).update({ last_at: now })) === 1) return true;
    await poll().update({ last_at: now, interval_ms: tx.sql.raw('interval_ms + ?', [pollIntervalMs]) });
    return false;
  });
}

/** Takes a code for the one answer that it gets. False when it was answered before. */
export async function claimDeviceCode(tx: Transaction, codeHash: string, userId: string): Promise<boolean> {
  return (await tx.sql('oidc_entry').where({ kind: 'DeviceCode', id_hash: codeHash }).whereNull('account_id').whereNull('consumed_at').update({ account_id: userId })) === 1;
}

/** Keeps the answered code answered, whatever the answer was. */
export async function markDeviceCodeAnswered(tx: Transaction, codeHash: string, userId: string): Promise<void> {
  await tx.sql('oidc_entry').where({ kind: 'DeviceCode', id_hash: codeHash }).update({ account_id: userId });
}
