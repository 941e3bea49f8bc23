import type { Database } from '../database/index.ts';
import { listSigningKeys } from '../oauth/signing-key-repo.ts';
import { listReleaseKeys } from '../releases/key-repo.ts';
import { listUsedKeys } from '../storage/key-repo.ts';
import { KeyRingError, listRingKeys, nameOfRing, ringExists, sealingKeyOf, type RingPlace } from './key-ring.ts';

/** A key that the database needs and the ring lacks: then it is another database's ring, or there is none. Undefined when they fit. */
export async function findLackingKey(place: RingPlace, database: Database): Promise<string | undefined> {
  const keys = new Set(ringExists(place) ? listRingKeys(place).map(({ id }) => id) : []);
  const sealed = [...(await listSigningKeys(database)), ...(await listReleaseKeys(database))];
  const needed = [...sealed.map((row) => sealingKeyOf(row.private_sealed)), ...(await listUsedKeys(database))];
  return needed.find((id) => !keys.has(id));
}

/** Before a start: a new ring beside a database that an old one sealed would open nothing. Throws KeyRingError. */
export async function requireFittingRing(place: RingPlace, database: Database): Promise<void> {
  const lacking = await findLackingKey(place, database);
  if (lacking === undefined) return;
  throw new KeyRingError(`${nameOfRing(place)} ${ringExists(place) ? `has no key ${lacking}, with which the database is sealed` : `is missing, and the database is sealed with its key ${lacking}`}; restore the key ring that belongs to this database`);
}
