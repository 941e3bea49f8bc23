import { existsSync } from 'node:fs';
import type { Database } from '../database/index.ts';
import { KeyRingError, listRingKeys, sealingKeyOf } from '../security/key-ring.ts';
import { listSigningKeys } from './signing-key-repo.ts';

/** A key that the database needs and the ring lacks: then it is another database's ring, or there is none. Undefined when they fit. */
export async function findLackingKey(path: string, database: Database): Promise<string | undefined> {
  const keys = new Set(existsSync(path) ? listRingKeys(path).map(({ id }) => id) : []);
  const sealed = await listSigningKeys(database);
  return sealed.map((row) => sealingKeyOf(row.private_sealed)).find((id) => !keys.has(id));
}

/** Before a start: a new ring beside a database that an old one sealed would open nothing. Throws KeyRingError. */
export async function requireFittingRing(path: string, database: Database): Promise<void> {
  const lacking = await findLackingKey(path, database);
  if (lacking === undefined) return;
  throw new KeyRingError(`${path} ${existsSync(path) ? `has no key ${lacking}, with which the database is sealed` : `is missing, and the database is sealed with its key ${lacking}`}; restore the key ring that belongs to this database`);
}
