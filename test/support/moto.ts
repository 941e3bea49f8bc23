import { join } from 'node:path';
import { startChild } from './child-process.ts';
import { eventually } from './eventually.ts';
import { PYTHON_HOOK_TIMEOUT_MS, pythonAvailable, pythonWith } from './python.ts';
import { freePort, temporaryDirectory } from './temporary.ts';

/** The version of moto's S3 server that the tests run against. */
export const MOTO_VERSION = '5.2.5';
export const MOTO_HOOK_TIMEOUT_MS = PYTHON_HOOK_TIMEOUT_MS;

const environment = [`moto-${MOTO_VERSION}`, [`moto[s3,server]==${MOTO_VERSION}`]] as const;

/** Why there can be no S3 server here; undefined when there can. */
export const motoAvailable = (): Promise<string | undefined> => pythonAvailable(...environment);

export interface S3Server {
  readonly url: string;
  close(): Promise<void>;
}

export async function startMoto(): Promise<S3Server> {
  const python = await pythonWith(...environment);
  const port = await freePort();
  const directory = temporaryDirectory('moto');
  const child = startChild({ command: python, args: ['-I', '-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], directory, logFile: join(directory, 'moto.log'), lastSignal: 'SIGKILL' });
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => void (await fetch(`${url}/moto-api/`)), { description: 'moto answers', timeoutMs: 60_000 });
  return { url, close: () => child.end('SIGTERM') };
}
