import { runSql, type Queryable, type Transaction } from '../database/index.ts';

/** Remembers that something is sealed with this key of the ring. */
export async function noteKey(tx: Transaction, keyId: string, now: number): Promise<void> {
  await runSql(tx, 'INSERT INTO storage_key (key_id, first_used_at) VALUES (?, ?) ON CONFLICT (key_id) DO NOTHING', [keyId, now]);
}

/** Ids of the keys without which some of what is stored could not be read. */
export async function listUsedKeys(db: Queryable): Promise<string[]> {
  return (await runSql<{ key_id: string }>(db, 'SELECT key_id FROM storage_key ORDER BY first_used_at, key_id')).map((row) => row.key_id);
}

/** When nothing is sealed with any other key any more. */
export async function forgetOtherKeys(tx: Transaction, keyId: string): Promise<void> {
  await runSql(tx, 'DELETE FROM storage_key WHERE key_id <> ?', [keyId]);
}
