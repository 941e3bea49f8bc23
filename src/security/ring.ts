import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';

/** Where the ring is kept. The same JSON in each place; of the text and the command at most one, and it takes the file's place. */
export interface RingPlace {
  /** The JSON file; made on first start, mode 0600. */
  readonly path: string;
  /** The JSON itself, from the environment. */
  readonly text?: string;
  /** A program with its arguments that prints the JSON: a vault's client, a key service's. No shell is asked. */
  readonly command?: readonly string[];
}

export interface KeyRingOptions extends RingPlace {
  readonly clock: Clock;
}

export class KeyRingError extends Error {
  override readonly name = 'KeyRingError';
}

export interface StoredKey {
  readonly id: string;
  readonly secret: string;
  readonly created_at: number;
}

interface RingFile {
  readonly version: 1;
  readonly keys: readonly StoredKey[];
}

export const secretBytes = 32;
const commandTimeoutMs = 10_000;
const maxRingBytes = 1024 * 1024;

/** As the configuration has it. */
export const ringPlaceOf = ({ key_ring: path, key_ring_text: text, key_ring_command: command }: { readonly key_ring: string; readonly key_ring_text?: string; readonly key_ring_command: readonly string[] }): RingPlace => ({
  path,
  ...(text === undefined ? {} : { text }),
  ...(command.length === 0 ? {} : { command }),
});

/** For messages: where the ring is, without what is in it. */
export function nameOfRing({ path, text, command }: RingPlace): string {
  if (text !== undefined) return 'the key ring in security.key_ring_text';
  return command === undefined ? path : `the key ring that ${command[0]} prints (security.key_ring_command)`;
}

/** Only a file is ours to make and to change. */
export const isRingFile = ({ text, command }: RingPlace): boolean => text === undefined && command === undefined;

/** Whether there is a ring; one that does not come from a file is not looked at. */
export const ringExists = (place: RingPlace): boolean => !isRingFile(place) || existsSync(place.path);

const newKey = (clock: Clock): StoredKey => ({ id: newId('key'), secret: randomBytes(secretBytes).toString('base64'), created_at: clock.now() });

const isStoredKey = (value: unknown): value is StoredKey => {
  const { id, secret, created_at: createdAt } = (value ?? {}) as Partial<StoredKey>;
  return typeof id === 'string' && /^key_[a-z2-7]+$/.test(id) && typeof secret === 'string' && Buffer.from(secret, 'base64').length === secretBytes && Number.isFinite(createdAt);
};

function textOf(place: RingPlace): string {
  if (place.text !== undefined) return place.text;
  if (place.command === undefined) return readFileSync(place.path, 'utf8');
  const [program = '', ...args] = place.command;
  try {
    return execFileSync(program, args, { encoding: 'utf8', timeout: commandTimeoutMs, maxBuffer: maxRingBytes, stdio: ['ignore', 'pipe', 'inherit'] });
  } catch (error) {
    // Never the error itself: it carries what was printed.
    const { code, status } = error as { code?: unknown; status?: unknown };
    throw new KeyRingError(`${nameOfRing(place)} could not be had: ${typeof code === 'string' ? code : `it ended with ${String(status)}`}`);
  }
}

/** Throws KeyRingError; for a file that is not there, what the file system says. */
export function readRing(place: RingPlace): readonly StoredKey[] {
  const text = textOf(place);
  let ring: Partial<RingFile> | null = null;
  try {
    ring = JSON.parse(text) as Partial<RingFile> | null;
  } catch {
    // The parser's own message may quote the ring.
  }
  if (ring?.version !== 1 || !Array.isArray(ring.keys) || ring.keys.length === 0 || !ring.keys.every(isStoredKey)) {
    throw new KeyRingError(`${nameOfRing(place)} is not a key ring; restore it from where it is kept, a new one can't open what the old one sealed`);
  }
  return ring.keys;
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

/** The keys, oldest first. Makes the file if there is none. */
export async function readOrMakeRing(options: KeyRingOptions): Promise<readonly StoredKey[]> {
  if (!ringExists(options)) await makeRingOnce(options);
  return readRing(options);
}

/** Appends a key, which becomes the one that seals. Running processes notice within seconds. Returns its id. Throws KeyRingError when the ring is no file. */
export async function addKey(options: KeyRingOptions): Promise<string> {
  if (!isRingFile(options)) throw new KeyRingError(`${nameOfRing(options)} is not ours to change: add a key where it is kept`);
  const lock = `${options.path}.lock`;
  const held = await open(lock, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? new KeyRingError(`another process is changing the key ring; if none is, remove ${lock}`) : error;
  });
  try {
    const keys = await readOrMakeRing(options);
    const key = newKey(options.clock);
    await rename(await writeBeside(options.path, { version: 1, keys: [...keys, key] }), options.path);
    await syncDirectory(options.path);
    return key.id;
  } finally {
    await held.close();
    await rm(lock, { force: true });
  }
}

/** The keys of a ring by id, oldest first; the last one seals. Throws when there is no ring. */
export function listRingKeys(place: RingPlace): { readonly id: string; readonly createdAt: number }[] {
  return readRing(place).map(({ id, created_at: createdAt }) => ({ id, createdAt }));
}
