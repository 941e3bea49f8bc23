import { existsSync, realpathSync } from 'node:fs';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { newId } from '../kernel/ids.ts';
import { CommandFailed } from './failure.ts';

/** Only for the owner. */
const secretMode = 0o600;

const exists = (path: string): CommandFailed => new CommandFailed(`${path} exists already`);
const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

async function syncDirectoryOf(path: string): Promise<void> {
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Gives a finished draft its name, unless something has that name by now. */
async function nameNew(draft: string, path: string): Promise<void> {
  try {
    // A link, unlike a rename, fails when the name is taken.
    await link(draft, path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw exists(path);
    // File systems of memory cards and the like know no links.
    if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes(codeOf(error) ?? '') || existsSync(path)) throw error;
    await rename(draft, path);
  }
}

/** Puts the draft in the place of a file, with the same owner, through symbolic links. */
async function replaceOld(draft: string, path: string): Promise<void> {
  const { uid, gid } = await stat(path);
  const file = await open(draft, 'r+');
  try {
    await file.chown(uid, gid).catch((error: unknown) => {
      // Only the administrator may give files away; for anyone else it becomes their own.
      if (codeOf(error) !== 'EPERM') throw error;
    });
  } finally {
    await file.close();
  }
  await rename(draft, realpathSync(path));
}

/**
 * Makes a file that only its owner can read, complete or not at all: `fill` writes it under a name of its own beside `path`
 * and may throw to give up.
 */
export async function writeSecretFile(path: string, replace: boolean, fill: (draft: string) => Promise<void>): Promise<void> {
  const isThere = existsSync(path);
  if (isThere && !replace) throw exists(path);
  if (!existsSync(dirname(path))) throw new CommandFailed(`there is no directory ${dirname(path)}`);
  const draft = `${isThere ? realpathSync(path) : path}.${newId('draft')}`;
  await (await open(draft, 'wx', secretMode)).close();
  try {
    await fill(draft);
    const file = await open(draft, 'r+');
    await file.sync();
    await file.close();
    await (isThere ? replaceOld(draft, path) : nameNew(draft, path));
    await syncDirectoryOf(path);
  } finally {
    await rm(draft, { force: true });
  }
}
