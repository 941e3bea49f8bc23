import type { Database } from '../database/index.ts';
import { listSigningKeys } from '../oauth/signing-key-repo.ts';
import { listRingKeys, sealingKeyOf } from '../security/key-ring.ts';

/** A key that the database needs and the ring lacks: then it is another database's ring. Undefined when they fit. */
export async function findLackingKey(path: string, database: Database): Promise<string | undefined> {
  const keys = new Set(listRingKeys(path).map(({ id }) => id));
  const sealed = await listSigningKeys(database);
  return sealed.map((row) => sealingKeyOf(row.private_sealed)).find((id) => !keys.has(id));
}
