import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { insertReleaseKey, listReleaseKeys, retireReleaseKey, type ReleaseKeyRow } from './key-repo.ts';
import { privateKeyOf, type SigningKey } from './statement.ts';

export interface PublicReleaseKey {
  readonly key_id: string;
  readonly state: 'current' | 'retired';
  readonly jwk: JsonWebKey;
}

/** Ed25519 keys that sign releases; the private halves are sealed with the key ring (decision D24). */
export interface ReleaseKeys {
  /** Makes the first key when there is none. */
  signer(): Promise<SigningKey>;
  /** The current one first, then those that were retired within a year: they vouch for it to clients that know no newer. */
  signers(): Promise<SigningKey[]>;
  list(): Promise<PublicReleaseKey[]>;
  /** A new key signs from now on. Clients learn of it from the next bootstrap, which the old one signs too. Returns its id. */
  rotate(): Promise<string>;
}

export interface ReleaseKeysDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly keyRing: Pick<KeyRing, 'seal' | 'open'>;
}

const sealPurpose = 'release-key';
/** Another process may have rotated. */
const reloadMs = 60_000;
const vouchingMs = 365 * 24 * 60 * 60_000;

function newKeyRow({ clock, keyRing }: ReleaseKeysDependencies): ReleaseKeyRow {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const keyId = newId('rk');
  return { key_id: keyId, state: 'current', public_jwk: JSON.stringify(publicKey.export({ format: 'jwk' })), private_sealed: keyRing.seal(sealPurpose, privateKey.export({ format: 'pem', type: 'pkcs8' }) as string, keyId), created_at: clock.now(), retired_at: null };
}

export function createReleaseKeys(deps: ReleaseKeysDependencies): ReleaseKeys {
  const { database, clock, keyRing } = deps;
  let known: { readonly keys: SigningKey[]; readonly at: number } | undefined;
  const current = async (): Promise<ReleaseKeyRow> => {
    const find = async (): Promise<ReleaseKeyRow | undefined> => (await listReleaseKeys(database)).find(({ state }) => state === 'current');
    const row = await find();
    if (row !== undefined) return row;
    await insertReleaseKey(database, newKeyRow(deps));
    return (await find())!;
  };
  const signers = async (): Promise<SigningKey[]> => {
    const now = clock.now();
    if (known === undefined || now - known.at >= reloadMs) {
      const first = await current();
      const retired = (await listReleaseKeys(database)).filter(({ retired_at: at }) => at !== null && now - at < vouchingMs);
      known = { keys: [first, ...retired].map((row) => ({ keyId: row.key_id, privateKey: privateKeyOf(keyRing.open(sealPurpose, row.private_sealed, row.key_id)) })), at: now };
    }
    return known.keys;
  };
  return {
    signer: async () => (await signers())[0]!,
    signers,
    async list() {
      await current();
      return (await listReleaseKeys(database)).map(({ key_id, state, public_jwk: jwk }) => ({ key_id, state, jwk: JSON.parse(jwk) as JsonWebKey }));
    },
    async rotate() {
      const row = newKeyRow(deps);
      await database.inTransaction(async (tx) => {
        await retireReleaseKey(tx, clock.now());
        await insertReleaseKey(tx, row);
      });
      known = undefined;
      return row.key_id;
    },
  };
}
