import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PYTHON_HOOK_TIMEOUT_MS, pythonAvailable, pythonCache, pythonWith } from './python.ts';

const run = promisify(execFile);
const VERSION = '4.32.5';
const environment = [`schemathesis-${VERSION}`, [`schemathesis==${VERSION}`]] as const;

export const SCHEMATHESIS_HOOK_TIMEOUT_MS = PYTHON_HOOK_TIMEOUT_MS;

/** Why it can not be had here; undefined when it can. */
export const schemathesisAvailable = (): Promise<string | undefined> => pythonAvailable(...environment);

/** Asks a server what its document says that it answers; not for streams, which have no end. Returns what was printed, and whether everything held. */
export async function fuzz(documentUrl: string, options: { readonly token?: string; readonly examples: number; readonly seed: number; readonly limitMs: number }): Promise<{ readonly held: boolean; readonly output: string }> {
  const checks = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';
  const args = ['-I', '-m', 'schemathesis.cli', 'run', documentUrl, '--phases', 'fuzzing', '--max-examples', String(options.examples), '--seed', String(options.seed), '--checks', checks, '--continue-on-failure', '--exclude-path-regex', '^/_matrix|^/api/v1/events$', '--warnings', 'off', '--no-color', ...(options.token === undefined ? [] : ['-H', `Authorization: Bearer ${options.token}`])];
  return run(await pythonWith(...environment), args, { cwd: pythonCache(), timeout: options.limitMs, maxBuffer: 64 * 2 ** 20 }).then(
    ({ stdout }) => ({ held: true, output: stdout }),
    (error: { stdout?: string; stderr?: string; message: string }) => ({ held: false, output: `${error.message}\n${error.stdout ?? ''}\n${error.stderr ?? ''}` }),
  );
}
