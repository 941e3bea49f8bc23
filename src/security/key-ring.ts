import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto';
import { statSync } from 'node:fs';
import { isRingFile, KeyRingError, nameOfRing, readOrMakeRing, readRing, secretBytes, type KeyRingOptions, type StoredKey } from './ring.ts';

export { addKey, isRingFile, KeyRingError, listRingKeys, nameOfRing, ringExists, ringPlaceOf, type KeyRingOptions, type RingPlace } from './ring.ts';

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
  /** The id of the key that seals now. */
  newestKey(): string;
  /** Whether the ring has this key. */
  hasKey(keyId: string): boolean;
  /** Keyed hash as base64url, for values that must be found again but not read. Always under the first key: it never changes. */
  mac(purpose: string, text: string): string;
}

const ivBytes = 12;
const tagBytes = 16;
/** Derived keys that are kept, each of 32 bytes; deriving one again takes some microseconds. */
const maxDerived = 10_000;
/** How often the file is looked at for a key that was added: so long a process may go on sealing with the old one. */
const lookEveryMs = 5000;
/** How often at most the ring is read again for a key that it lacks. */
const rereadEveryMs = 30_000;

/** The id of the key that a value was sealed with. */
export const sealingKeyOf = (sealed: string): string => sealed.split('.')[1] ?? '';

const boundTo = (purpose: string, associatedData: string): Buffer => Buffer.from(JSON.stringify([purpose, associatedData]));

/** AES-256-GCM: initialization vector, ciphertext, tag. */
function encrypt(key: KeyObject, plaintext: Buffer, associatedData: Buffer): Buffer {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
  cipher.setAAD(associatedData);
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(purpose: string, key: KeyObject, sealed: Buffer, associatedData: Buffer): Buffer {
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

type OwnedKey = (purpose: string, owner: string, keyId: string) => KeyObject;

/** The last key is at hand without looking: a batch opens a hundred values of one owner. */
function rememberingLast(find: OwnedKey): OwnedKey {
  let last: { readonly purpose: string; readonly owner: string; readonly keyId: string; readonly key: KeyObject } | undefined;
  return (purpose, owner, keyId) => {
    if (last?.keyId !== keyId || last.owner !== owner || last.purpose !== purpose) last = { purpose, owner, keyId, key: find(purpose, owner, keyId) };
    return last.key;
  };
}

/** Changes with the file. Undefined when it can't be looked at: then what was read stays good. */
const versionOf = ({ path }: KeyRingOptions): string | undefined => {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
};

/** Opens the ring, making it if there is none. */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const { clock } = options;
  let keys = await readOrMakeRing(options);
  let lookedAt = clock.now();
  let readAt = -Infinity;
  let seen = versionOf(options);
  // As key objects: Node makes one of plain bytes anew for each cipher, which costs several times what a small cipher does.
  const derived = new Map<string, KeyObject>();

  /** The key that seals: of the file as it is now, or was a few seconds ago. */
  const newest = (): StoredKey => {
    if (isRingFile(options) && clock.now() - lookedAt >= lookEveryMs) {
      lookedAt = clock.now();
      const version = versionOf(options);
      if (version !== undefined && version !== seen) {
        seen = version;
        try {
          keys = readRing(options);
        } catch {
          // What was read stays good; who starts with this file is told.
        }
      }
    }
    return keys.at(-1)!;
  };

  const keyFor = (key: StoredKey, use: string): KeyObject => {
    const name = `${key.id} ${use}`;
    let made = derived.get(name);
    if (made === undefined) {
      made = createSecretKey(Buffer.from(hkdfSync('sha256', Buffer.from(key.secret, 'base64'), '', `tmcp ${use}`, secretBytes)));
      if (derived.size >= maxDerived) derived.delete(derived.keys().next().value!);
      derived.set(name, made);
    }
    return made;
  };
  const ownedUse = (purpose: string, owner: string): string => `seal-for ${JSON.stringify([purpose, owner])}`;
  /** A key that is not there may have been added: a file is read again at once, what costs more only now and then. */
  const lookUp = (id: string): StoredKey | undefined => {
    const known = keys.find((key) => key.id === id);
    if (known !== undefined || options.text !== undefined || (!isRingFile(options) && clock.now() - readAt < rereadEveryMs)) return known;
    readAt = clock.now();
    keys = readRing(options);
    return keys.find((key) => key.id === id);
  };
  const findKey = (id: string): StoredKey => {
    const key = lookUp(id);
    if (key === undefined) throw new KeyRingError(`${nameOfRing(options)} lacks key ${id}: this database was sealed with another ring`);
    return key;
  };

  const ownedKey = rememberingLast((purpose, owner, keyId) => keyFor(findKey(keyId), ownedUse(purpose, owner)));

  return {
    seal(purpose, plaintext, associatedData) {
      const key = newest();
      const body = encrypt(keyFor(key, `seal ${purpose}`), Buffer.from(plaintext), boundTo(purpose, associatedData));
      return `sealed1.${key.id}.${body.toString('base64url')}`;
    },
    open(purpose, sealed, associatedData) {
      const [format, id, body] = sealed.split('.');
      if (format !== 'sealed1' || id === undefined || body === undefined) throw new KeyRingError('not a sealed value');
      return decrypt(purpose, keyFor(findKey(id), `seal ${purpose}`), Buffer.from(body, 'base64url'), boundTo(purpose, associatedData)).toString('utf8');
    },
    sealFor(purpose, owner, plaintext, associatedData) {
      const key = newest();
      return { keyId: key.id, sealed: encrypt(keyFor(key, ownedUse(purpose, owner)), plaintext, boundTo(purpose, associatedData)) };
    },
    openFor: (purpose, owner, keyId, sealed, associatedData) => decrypt(purpose, ownedKey(purpose, owner, keyId), sealed, boundTo(purpose, associatedData)),
    newestKey: () => newest().id,
    hasKey: (keyId) => lookUp(keyId) !== undefined,
    mac(purpose, text) {
      return createHmac('sha256', keyFor(keys[0]!, `mac ${purpose}`)).update(text).digest('base64url');
    },
  };
}
