import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { pythonOf } from './synapse-install.ts';

const run = promisify(execFile);
const INSTALL_LIMIT_MS = 10 * 60_000;

/** For hooks that may have to install. */
export const PYTHON_HOOK_TIMEOUT_MS = INSTALL_LIMIT_MS + 60_000;

/** Kept between runs; where nothing can be mistaken for a module of Python's own. */
export const pythonCache = (): string => resolve(process.env.TMCP_TEST_CACHE ?? join(import.meta.dirname, '../../.cache'));

const makeOnce = new Map<string, Promise<string>>();

/**
 * A virtual environment with these packages, made unless it is there: beside its place, and renamed into it once it is complete,
 * so that of two processes that build at once one simply wins. Returns its Python program.
 */
export function pythonWith(name: string, requirements: readonly string[]): Promise<string> {
  const made = makeOnce.get(name) ?? make(name, requirements);
  makeOnce.set(name, made);
  return made;
}

async function make(name: string, requirements: readonly string[]): Promise<string> {
  const cache = pythonCache();
  const environment = join(cache, name);
  if ((await stat(environment).catch(() => undefined)) !== undefined) return pythonOf(environment);
  await mkdir(cache, { recursive: true });
  const building = await mkdtemp(`${environment}.building-`);
  try {
    console.log(`      installing ${name} for the tests (once)`);
    const options = { cwd: cache, timeout: INSTALL_LIMIT_MS };
    await run('python3', ['-I', '-m', 'venv', building], options);
    await run(pythonOf(building), ['-I', '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--prefer-binary', ...requirements], options);
    await rename(building, environment).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return pythonOf(environment);
}

/** Why there can be no such environment here; undefined when there is one. */
export const pythonAvailable = (name: string, requirements: readonly string[]): Promise<string | undefined> =>
  pythonWith(name, requirements).then(
    () => undefined,
    (error: Error) => `${name} can not be installed: ${error.message.split('\n')[0]}`,
  );
