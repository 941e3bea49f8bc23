import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const VERSION = '4.32.5';
const cache = resolve(process.env.TMCP_TEST_CACHE ?? resolve(import.meta.dirname, '../../.cache'));
const environment = join(cache, `schemathesis-${VERSION}`);
const INSTALL_LIMIT_MS = 10 * 60_000;

export const SCHEMATHESIS_HOOK_TIMEOUT_MS = INSTALL_LIMIT_MS + 60_000;

/** Makes the virtual environment unless it is there, whole; says why not where it can't be made. */
export async function schemathesisAvailable(): Promise<string | undefined> {
  if (existsSync(environment)) return undefined;
  try {
    await mkdir(cache, { recursive: true });
    const building = await mkdtemp(`${environment}.building-`);
    try {
      await run('python3', ['-I', '-m', 'venv', building], { cwd: cache, timeout: INSTALL_LIMIT_MS });
      await run(join(building, 'bin/python'), ['-I', '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--prefer-binary', `schemathesis==${VERSION}`], { cwd: cache, timeout: INSTALL_LIMIT_MS });
      // Of two processes that build at once, one simply wins.
      await rename(building, environment).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
    } finally {
      await rm(building, { recursive: true, force: true });
    }
    return undefined;
  } catch (error) {
    return `schemathesis can not be installed: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
  }
}

/** Asks a server what its document says that it answers; not for streams, which have no end. Returns what was printed, and whether everything held. */
export async function fuzz(documentUrl: string, options: { readonly token?: string; readonly examples: number; readonly seed: number; readonly limitMs: number }): Promise<{ readonly held: boolean; readonly output: string }> {
  const checks = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';
  const args = ['-I', '-m', 'schemathesis.cli', 'run', documentUrl, '--phases', 'fuzzing', '--max-examples', String(options.examples), '--seed', String(options.seed), '--checks', checks, '--continue-on-failure', '--exclude-path-regex', '^/_matrix|^/api/v1/events$', '--warnings', 'off', '--no-color', ...(options.token === undefined ? [] : ['-H', `Authorization: Bearer ${options.token}`])];
  return run(join(environment, 'bin/python'), args, { cwd: cache, timeout: options.limitMs, maxBuffer: 64 * 2 ** 20 }).then(
    ({ stdout }) => ({ held: true, output: stdout }),
    (error: { stdout?: string; stderr?: string; message: string }) => ({ held: false, output: `${error.message}\n${error.stdout ?? ''}\n${error.stderr ?? ''}` }),
  );
}
