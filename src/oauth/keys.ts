import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type JsonWebKey, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { errorText } from '../kernel/errors.ts';
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
  /** The same when the current one has been it for `maxAgeMs`, as a part of `tx`. A next key that is missing is made afterwards. */
  rotateIfDue(tx: Transaction, maxAgeMs: number): Promise<boolean>;
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
/** A key is used once everybody who caches the published ones has had time to see it. */
const publishedMs = 10 * 60_000;
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

function keyFromRow(row: SigningKeyRow): LoadedKey {
  const jwk = JSON.parse(row.public_jwk) as PublicJwk;
  return { kid: row.kid, state: row.state, jwk, publicKey: createPublicKey({ key: jwk, format: 'jwk' }), privateSealed: row.private_sealed, expiresAt: row.expires_at ?? undefined };
}

/** The keys as the database had them a moment ago. */
function createKeyCache(options: SigningKeysOptions) {
  const { database, clock } = options;
  let keys: readonly LoadedKey[] = [];
  let loadedAt = -Infinity;
  let loading: Promise<void> | undefined;

  const load = async (): Promise<void> => {
    try {
      const rows = await listSigningKeys(database);
      const known = new Map(keys.map((key) => [key.kid, key]));
      keys = rows.map((row) => ({ ...(known.get(row.kid) ?? keyFromRow(row)), state: row.state, expiresAt: row.expires_at ?? undefined }));
      loadedAt = clock.now();
    } finally {
      loading = undefined;
    }
  };
  const reload = (): Promise<void> => (loading ??= load());
  const reloadIfOlder = async (ms: number): Promise<void> => {
    if (clock.now() - loadedAt >= ms) await reload();
  };

  /** Loads the keys and makes the missing ones: both on the first start. */
  const prepare = async (): Promise<void> => {
    await reload();
    const missing = (['current', 'next'] as const).filter((state) => !keys.some((key) => key.state === state));
    if (missing.length === 0) return;
    for (const row of await Promise.all(missing.map((state) => newKeyRow(options, state)))) await insertSigningKey(database, row);
    await reload();
    options.log.info({ kids: keys.map((key) => key.kid) }, 'made signing keys');
  };

  return { all: () => keys, find: (test: (key: LoadedKey) => boolean) => keys.find(test), reloadIfOlder, prepare };
}

export function createSigningKeys(options: SigningKeysOptions): SigningKeys {
  const { database, clock, keyRing } = options;
  const cache = createKeyCache(options);
  const privateKeys = new Map<string, KeyObject>();
  const valid = (key: LoadedKey): boolean => key.expiresAt === undefined || key.expiresAt > clock.now();
  const inState = (state: SigningKeyState): LoadedKey | undefined => cache.find((key) => key.state === state);

  const currentKey = async (): Promise<LoadedKey> => {
    await cache.reloadIfOlder(reloadMs);
    if (inState('current') === undefined) await cache.prepare();
    return inState('current')!;
  };

  return {
    prepare: () => cache.prepare(),
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
      const find = (): LoadedKey | undefined => cache.find((key) => key.kid === kid);
      if (find() === undefined) await cache.reloadIfOlder(unknownKidMs);
      const key = find();
      return key !== undefined && valid(key) ? key.publicKey : undefined;
    },
    async publicJwks() {
      await cache.reloadIfOlder(reloadMs);
      return { keys: cache.all().filter(valid).map((key) => key.jwk) };
    },
    async rotate() {
      await cache.prepare();
      const current = inState('current')!.kid;
      const next = inState('next')!.kid;
      const now = clock.now();
      await database.inTransaction((tx) => rotateSigningKeys(tx, current, next, now, now + options.longestTokenMs + reloadMs));
      await cache.prepare();
      return inState('current')!.kid;
    },
    async rotateIfDue(tx, maxAgeMs) {
      const now = clock.now();
      const rows = await listSigningKeys(tx);
      const current = rows.find(({ state }) => state === 'current');
      const next = rows.find(({ state }) => state === 'next');
      const prepareLater = (): void => tx.afterCommit(() => void cache.prepare().catch((error: unknown) => options.log.error({ error: errorText(error) }, 'no next signing key')));
      if (next === undefined) prepareLater();
      if (current === undefined || next === undefined || (current.current_since ?? now) + maxAgeMs > now || next.created_at + publishedMs > now) return false;
      if (!(await rotateSigningKeys(tx, current.kid, next.kid, now, now + options.longestTokenMs + reloadMs))) return false;
      prepareLater();
      options.log.info({ kid: next.kid }, 'signing keys rotated');
      return true;
    },
  };
}
