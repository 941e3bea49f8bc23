import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';

/**
 * Seals secrets that the database holds (decision D24). The ring is a file outside the database and outside backups: a copy of
 * the database alone reveals nothing. What is sealed names its key, so that keys can be added without rewriting anything.
 */
export interface KeyRing {
  /** Encrypts under the newest key. `purpose` separates uses; `associatedData` must be given again to open it: the row's id. */
  seal(purpose: string, plaintext: string, associatedData: string): string;
  /** Throws KeyRingError when the key is missing, or when it was sealed for something else or changed. */
  open(purpose: string, sealed: string, associatedData: string): string;
  /**
   * Encrypts bytes under a key that only this purpose and owner have, derived from the newest key of the ring. What comes back
   * does not name its key: keep `keyId` beside it.
   */
  sealFor(purpose: string, owner: string, plaintext: Buffer, associatedData: string): { readonly keyId: string; readonly sealed: Buffer };
  /** Throws KeyRingError as `open` does. */
  openFor(purpose: string, owner: string, keyId: string, sealed: Buffer, associatedData: string): Buffer;
  /** Keyed hash as base64url, for values that must be found again but not read. Always under the first key: it never changes. */
  mac(purpose: string, text: string): string;
}

export interface KeyRingOptions {
  /** The JSON file; made on first start, mode 0600. */
  readonly path: string;
  readonly clock: Clock;
}

export class KeyRingError extends Error {
  override readonly name = 'KeyRingError';
}

interface StoredKey {
  readonly id: string;
  readonly secret: string;
  readonly created_at: number;
}

interface RingFile {
  readonly version: 1;
  readonly keys: readonly StoredKey[];
}

const secretBytes = 32;
/** Derived keys that are kept, each of 32 bytes; deriving one again takes some microseconds. */
const maxDerived = 10_000;
const ivBytes = 12;
const tagBytes = 16;

const newKey = (clock: Clock): StoredKey => ({ id: newId('key'), secret: randomBytes(secretBytes).toString('base64'), created_at: clock.now() });

const isStoredKey = (value: unknown): value is StoredKey => {
  const { id, secret } = (value ?? {}) as Partial<StoredKey>;
  return typeof id === 'string' && /^key_[a-z2-7]+$/.test(id) && typeof secret === 'string' && Buffer.from(secret, 'base64').length === secretBytes;
};

function parseRing(path: string): RingFile {
  const text = readFileSync(path, 'utf8');
  let ring: Partial<RingFile> | null = null;
  try {
    ring = JSON.parse(text) as Partial<RingFile> | null;
  } catch {
    // The parser's own message may quote the file.
  }
  if (ring?.version !== 1 || !Array.isArray(ring.keys) || ring.keys.length === 0 || !ring.keys.every(isStoredKey)) {
    throw new KeyRingError(`${path} is not a key ring; restore it from where it is kept, a new one can't open what the old one sealed`);
  }
  return ring as RingFile;
}

/** Writes a complete, synced file beside `path` and returns its name. */
async function writeBeside(path: string, ring: RingFile): Promise<string> {
  const draft = `${path}.${newId('draft')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(ring, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return draft;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** A link fails when the name exists: of two processes that start at once, the first one's ring is both's. */
async function makeRingOnce(options: KeyRingOptions): Promise<void> {
  await mkdir(dirname(options.path), { recursive: true, mode: 0o700 });
  const draft = await writeBeside(options.path, { version: 1, keys: [newKey(options.clock)] });
  try {
    await link(draft, options.path);
    await syncDirectory(options.path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function readOrMake(options: KeyRingOptions): Promise<RingFile> {
  try {
    return parseRing(options.path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await makeRingOnce(options);
  return parseRing(options.path);
}

/** Appends a key, which becomes the one that seals. Running processes read the file again when they meet it. Returns its id. */
export async function addKey(options: KeyRingOptions): Promise<string> {
  const lock = `${options.path}.lock`;
  const held = await open(lock, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? new KeyRingError(`another process is changing the key ring; if none is, remove ${lock}`) : error;
  });
  try {
    const ring = await readOrMake(options);
    const key = newKey(options.clock);
    await rename(await writeBeside(options.path, { version: 1, keys: [...ring.keys, key] }), options.path);
    await syncDirectory(options.path);
    return key.id;
  } finally {
    await held.close();
    await rm(lock, { force: true });
  }
}

/** The keys of a ring by id, oldest first; the last one seals. Throws when there is no ring. */
export function listRingKeys(path: string): { readonly id: string; readonly createdAt: number }[] {
  return parseRing(path).keys.map(({ id, created_at: createdAt }) => ({ id, createdAt }));
}

/** The id of the key that a value was sealed with. */
export const sealingKeyOf = (sealed: string): string => sealed.split('.')[1] ?? '';

const boundTo = (purpose: string, associatedData: string): Buffer => Buffer.from(JSON.stringify([purpose, associatedData]));

/** AES-256-GCM: initialization vector, ciphertext, tag. */
function encrypt(key: Buffer, plaintext: Buffer, associatedData: Buffer): Buffer {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
  cipher.setAAD(associatedData);
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(purpose: string, key: Buffer, sealed: Buffer, associatedData: Buffer): Buffer {
  if (sealed.length < ivBytes + tagBytes) throw new KeyRingError('not a sealed value');
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, ivBytes), { authTagLength: tagBytes });
  decipher.setAAD(associatedData);
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  try {
    const start = decipher.update(sealed.subarray(ivBytes, -tagBytes));
    const rest = decipher.final();
    return rest.length === 0 ? start : Buffer.concat([start, rest]);
  } catch {
    throw new KeyRingError(`a value sealed for "${purpose}" was changed, or belongs elsewhere`);
  }
}

/** Opens the ring, making it if there is none. */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  let ring = await readOrMake(options);
  const derived = new Map<string, Buffer>();

  const keyFor = (key: StoredKey, use: string): Buffer => {
    const name = `${key.id} ${use}`;
    let bytes = derived.get(name);
    if (bytes === undefined) {
      bytes = Buffer.from(hkdfSync('sha256', Buffer.from(key.secret, 'base64'), '', `tmcp ${use}`, secretBytes));
      if (derived.size >= maxDerived) derived.delete(derived.keys().next().value!);
      derived.set(name, bytes);
    }
    return bytes;
  };
  const ownedUse = (purpose: string, owner: string): string => `seal-for ${JSON.stringify([purpose, owner])}`;

  const findKey = (id: string): StoredKey => {
    const known = ring.keys.find((key) => key.id === id);
    if (known !== undefined) return known;
    ring = parseRing(options.path);
    const added = ring.keys.find((key) => key.id === id);
    if (added === undefined) throw new KeyRingError(`the key ring ${options.path} lacks key ${id}: this database was sealed with another ring`);
    return added;
  };

  return {
    seal(purpose, plaintext, associatedData) {
      const key = ring.keys.at(-1)!;
      const body = encrypt(keyFor(key, `seal ${purpose}`), Buffer.from(plaintext), boundTo(purpose, associatedData));
      return `sealed1.${key.id}.${body.toString('base64url')}`;
    },
    open(purpose, sealed, associatedData) {
      const [format, id, body] = sealed.split('.');
      if (format !== 'sealed1' || id === undefined || body === undefined) throw new KeyRingError('not a sealed value');
      return decrypt(purpose, keyFor(findKey(id), `seal ${purpose}`), Buffer.from(body, 'base64url'), boundTo(purpose, associatedData)).toString('utf8');
    },
    sealFor(purpose, owner, plaintext, associatedData) {
      const key = ring.keys.at(-1)!;
      return { keyId: key.id, sealed: encrypt(keyFor(key, ownedUse(purpose, owner)), plaintext, boundTo(purpose, associatedData)) };
    },
    openFor: (purpose, owner, keyId, sealed, associatedData) => decrypt(purpose, keyFor(findKey(keyId), ownedUse(purpose, owner)), sealed, boundTo(purpose, associatedData)),
    mac(purpose, text) {
      return createHmac('sha256', keyFor(ring.keys[0]!, `mac ${purpose}`)).update(text).digest('base64url');
    },
  };
}
