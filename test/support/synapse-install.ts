import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** The version of Synapse that the tests run against. */
export const SYNAPSE_VERSION = '1.163.2';

const run = promisify(execFile);
const REPOSITORY = resolve(import.meta.dirname, '../..');
const INSTALL_LIMIT_MS = 15 * 60_000;
const ABANDONED_AFTER_MS = 60 * 60_000;
const REPORT_VERSION = "from importlib.metadata import version; print(version('matrix-synapse'))";
const REPORT_USABLE_VERSION = `import synapse.app.homeserver; ${REPORT_VERSION}`;

/** Where the virtual environment is kept between runs. */
export function synapseEnvironment(): string {
  return join(cacheDirectory(), `synapse-${SYNAPSE_VERSION}`);
}

/** The Python program of the virtual environment; only its own `-m`/`-c` are used, because its scripts carry absolute paths. */
export function pythonOf(environment: string): string {
  return join(environment, 'bin', 'python');
}

/**
 * Makes the virtual environment unless it is there. It is built beside its place and renamed into it once it works, so a
 * directory of that name is always complete, and of two processes that build at once one simply wins.
 */
export async function installSynapse(): Promise<void> {
  const environment = synapseEnvironment();
  await mkdir(cacheDirectory(), { recursive: true });
  if (await exists(environment)) {
    await verify(environment, REPORT_VERSION);
    return;
  }
  await removeAbandoned();
  const building = await mkdtemp(`${environment}.building-`);
  try {
    await build(building);
    await rename(building, environment).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function build(environment: string): Promise<void> {
  console.log(`      installing matrix-synapse ${SYNAPSE_VERSION} for the tests (once; this takes a minute or so)`);
  // Run in the cache directory, where no file can be mistaken for a module of Python's own.
  const options = { cwd: cacheDirectory(), timeout: INSTALL_LIMIT_MS };
  await run('python3', ['-I', '-m', 'venv', environment], options);
  const requirement = `matrix-synapse==${SYNAPSE_VERSION}`;
  const flags = ['--quiet', '--disable-pip-version-check', '--no-input', '--prefer-binary'];
  await run(pythonOf(environment), ['-I', '-m', 'pip', 'install', ...flags, requirement], options);
  await verify(environment, REPORT_USABLE_VERSION);
}

async function verify(environment: string, program: string): Promise<void> {
  const { stdout } = await run(pythonOf(environment), ['-I', '-c', program], { cwd: cacheDirectory() }).catch((error: Error) => {
    throw new Error(`${environment} does not work; delete it to have it made anew. ${error.message}`);
  });
  if (stdout.trim() !== SYNAPSE_VERSION) throw new Error(`${environment} holds version ${stdout.trim()}; delete it.`);
}

async function removeAbandoned(): Promise<void> {
  const prefix = `synapse-${SYNAPSE_VERSION}.building-`;
  const names = (await readdir(cacheDirectory())).filter((name) => name.startsWith(prefix));
  for (const path of names.map((name) => join(cacheDirectory(), name))) {
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
    if (Date.now() - mtimeMs > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}

function cacheDirectory(): string {
  return resolve(process.env.TMCP_TEST_CACHE ?? join(REPOSITORY, '.cache'));
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
