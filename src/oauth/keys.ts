import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type JsonWebKey, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { insertSigningKey, listSigningKeys, rotateSigningKeys, type SigningKeyRow, type SigningKeyState } from './signing-key-repo.ts';

export interface SigningKeysOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  readonly log: Log;
  /** The longest life of a token: so long does a retired key verify. */
  readonly longestTokenMs: number;
}

export interface PublicJwk extends JsonWebKey {
  readonly kid: string;
  readonly alg: 'RS256';
  readonly use: 'sig';
}

/** RS256 keys: the next one is published before it is used, a retired one verifies until its last token is over. */
export interface SigningKeys {
  /** Makes the keys that are missing: both on the first start. Done at the first signature, were it not done before. */
  prepare(): Promise<void>;
  signer(): Promise<{ readonly kid: string; readonly privateKey: KeyObject }>;
  findPublicKey(kid: string): Promise<KeyObject | undefined>;
  publicJwks(): Promise<{ readonly keys: readonly PublicJwk[] }>;
  /** Makes the next key the current one. Returns its kid. */
  rotate(): Promise<string>;
}

interface LoadedKey {
  readonly kid: string;
  readonly state: SigningKeyState;
  readonly jwk: PublicJwk;
  readonly publicKey: KeyObject;
  readonly privateSealed: string;
  readonly expiresAt: number | undefined;
}

const generateRsa = promisify(generateKeyPair);
const sealPurpose = 'signing-key';
/** Another process may have rotated: this one signs with a retired key for no longer than this. */
const reloadMs = 60_000;
/** An unknown kid may be a key of another process: look, but not more often than this. */
const unknownKidMs = 1_000;

/** RFC 7638 */
const thumbprint = (jwk: JsonWebKey): string => createHash('sha256').update(JSON.stringify({ e: jwk.e, kty: jwk.kty, n: jwk.n })).digest('base64url');

async function newKeyRow(options: SigningKeysOptions, state: 'next' | 'current'): Promise<SigningKeyRow> {
  const { publicKey, privateKey } = await generateRsa('rsa', { modulusLength: 2048 });
  const { kty, n, e } = publicKey.export({ format: 'jwk' });
  const kid = `tmcp-${thumbprint({ kty: kty!, n: n!, e: e! }).slice(0, 16)}`;
  const jwk: PublicJwk = { kty: kty!, n: n!, e: e!, kid, alg: 'RS256', use: 'sig' };
  const now = options.clock.now();
  return {
    kid,
    state,
    public_jwk: JSON.stringify(jwk),
    private_sealed: options.keyRing.seal(sealPurpose, privateKey.export({ format: 'pem', type: 'pkcs8' }) as string, kid),
    created_at: now,
    current_since: state === 'current' ? now : null,
    expires_at: null,
  };
}

function load(row: SigningKeyRow): LoadedKey {
  const jwk = JSON.parse(row.public_jwk) as PublicJwk;
  return { kid: row.kid, state: row.state, jwk, publicKey: createPublicKey({ key: jwk, format: 'jwk' }), privateSealed: row.private_sealed, expiresAt: row.expires_at ?? undefined };
}

export function createSigningKeys(options: SigningKeysOptions): SigningKeys {
  const { database, clock, keyRing } = options;
  const privateKeys = new Map<string, KeyObject>();
  let keys: readonly LoadedKey[] = [];
  let loadedAt = -Infinity;
  let loading: Promise<void> | undefined;

  const reload = (): Promise<void> => {
    loading ??= (async () => {
      try {
        const rows = await listSigningKeys(database);
        const known = new Map(keys.map((key) => [key.kid, key]));
        keys = rows.map((row) => ({ ...(known.get(row.kid) ?? load(row)), state: row.state, expiresAt: row.expires_at ?? undefined }));
        loadedAt = clock.now();
      } finally {
        loading = undefined;
      }
    })();
    return loading;
  };

  const makeMissing = async (): Promise<void> => {
    const missing = (['current', 'next'] as const).filter((state) => !keys.some((key) => key.state === state));
    if (missing.length === 0) return;
    for (const row of await Promise.all(missing.map((state) => newKeyRow(options, state)))) await insertSigningKey(database, row);
    await reload();
    options.log.info({ kids: keys.map((key) => key.kid) }, 'made signing keys');
  };

  const prepare = async (): Promise<void> => {
    await reload();
    await makeMissing();
  };

  const currentKey = async (): Promise<LoadedKey> => {
    const find = () => keys.find((one) => one.state === 'current');
    if (clock.now() - loadedAt >= reloadMs) await reload();
    if (find() === undefined) await prepare();
    return find()!;
  };
  const valid = (key: LoadedKey): boolean => key.expiresAt === undefined || key.expiresAt > clock.now();

  return {
    prepare,
    async signer() {
      const { kid, privateSealed } = await currentKey();
      let privateKey = privateKeys.get(kid);
      if (privateKey === undefined) {
        privateKey = createPrivateKey(keyRing.open(sealPurpose, privateSealed, kid));
        privateKeys.set(kid, privateKey);
      }
      return { kid, privateKey };
    },
    async findPublicKey(kid) {
      let key = keys.find((one) => one.kid === kid);
      if (key === undefined && clock.now() - loadedAt >= unknownKidMs) {
        await reload();
        key = keys.find((one) => one.kid === kid);
      }
      return key !== undefined && valid(key) ? key.publicKey : undefined;
    },
    async publicJwks() {
      if (clock.now() - loadedAt >= reloadMs) await reload();
      return { keys: keys.filter(valid).map((key) => key.jwk) };
    },
    async rotate() {
      await prepare();
      const current = (await currentKey()).kid;
      const next = keys.find((key) => key.state === 'next')!.kid;
      const now = clock.now();
      await database.inTransaction((tx) => rotateSigningKeys(tx, current, next, now, now + options.longestTokenMs + reloadMs));
      await prepare();
      return (await currentKey()).kid;
    },
  };
}
