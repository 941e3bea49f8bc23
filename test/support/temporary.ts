import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const REMOVAL_ATTEMPTS = 20;
const REMOVAL_PAUSE_MS = 20;
const directories: string[] = [];

process.on('exit', () => {
  if (process.env.TMCP_TEST_KEEP) return;
  for (const directory of directories) removeNow(directory);
});

/**
 * Exit handlers cannot await, and a service that was ended a moment ago may still be tidying up. `rmSync` gives up without a
 * word when a file vanishes under it, hence the look at what is left.
 */
function removeNow(directory: string): void {
  for (let attempt = 0; attempt < REMOVAL_ATTEMPTS && existsSync(directory); attempt += 1) {
    if (attempt > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REMOVAL_PAUSE_MS);
    try {
      rmSync(directory, { recursive: true, force: true });
    } catch {
      // Tried again; left-overs in the system's temporary directory do no harm.
    }
  }
}

/** Makes a directory that is deleted when this process exits (kept when `TMCP_TEST_KEEP` is set, to read the logs). */
export function temporaryDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `tmcp-${name}-`));
  directories.push(directory);
  return directory;
}

const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const ATTEMPTS = 50;

/**
 * Finds a free loopback port below the range from which systems take outgoing ports. A port of that range could be taken by
 * any outgoing connection while the service that owns it restarts, even by the very connection that waits for the restart.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port found between ${FIRST_PORT} and ${LAST_PORT} in ${ATTEMPTS} attempts.`);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
