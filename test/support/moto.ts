import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { startChild } from './child-process.ts';
import { eventually } from './eventually.ts';
import { freePort, temporaryDirectory } from './temporary.ts';
import { pythonOf } from './synapse-install.ts';

/** The version of moto's S3 server that the tests run against. */
export const MOTO_VERSION = '5.2.5';
export const MOTO_HOOK_TIMEOUT_MS = 10 * 60_000;

const run = promisify(execFile);
const cache = (): string => resolve(process.env.TMCP_TEST_CACHE ?? join(import.meta.dirname, '../../.cache'));

/** Makes the virtual environment unless it is there: beside its place, and renamed into it once it is complete. */
async function install(): Promise<string> {
  const environment = join(cache(), `moto-${MOTO_VERSION}`);
  if ((await stat(environment).catch(() => undefined)) !== undefined) return environment;
  await mkdir(cache(), { recursive: true });
  const building = await mkdtemp(`${environment}.building-`);
  try {
    console.log(`      installing moto ${MOTO_VERSION} for the tests (once; this takes a minute or so)`);
    const options = { cwd: cache(), timeout: MOTO_HOOK_TIMEOUT_MS };
    await run('python3', ['-I', '-m', 'venv', building], options);
    await run(pythonOf(building), ['-I', '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--prefer-binary', `moto[s3,server]==${MOTO_VERSION}`], options);
    await rename(building, environment).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return environment;
}

/** Why there can be no S3 server here; undefined when there can. */
export const motoAvailable = (): Promise<string | undefined> =>
  install().then(
    () => undefined,
    (error: Error) => `moto ${MOTO_VERSION} could not be installed: ${error.message.split('\n')[0]}`,
  );

export interface S3Server {
  readonly url: string;
  close(): Promise<void>;
}

export async function startMoto(): Promise<S3Server> {
  const environment = await install();
  const port = await freePort();
  const directory = temporaryDirectory('moto');
  const child = startChild({ command: pythonOf(environment), args: ['-I', '-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], directory, logFile: join(directory, 'moto.log'), lastSignal: 'SIGKILL' });
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => void (await fetch(`${url}/moto-api/`)), { description: 'moto answers', timeoutMs: 60_000 });
  return { url, close: () => child.end('SIGTERM') };
}
