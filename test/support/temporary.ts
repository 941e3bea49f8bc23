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

/** Below the range from which systems take outgoing ports. A port of that range could be taken by any outgoing connection while the service that owns it restarts, even by the very connection that waits for the restart. */
export const PORTS = { first: 20_000, last: 31_999 } as const;

/** What `TMCP_TEST_PORTS` gives this process, as `FIRST-LAST`; all of them where it says nothing. */
function givenPorts(): { readonly first: number; readonly last: number } {
  const text = process.env.TMCP_TEST_PORTS;
  if (text === undefined) return PORTS;
  const [, first, last] = /^(\d{4,5})-(\d{4,5})$/.exec(text) ?? [];
  if (first === undefined || Number(first) > Number(last)) throw new Error(`TMCP_TEST_PORTS is FIRST-LAST, not ${text}`);
  return { first: Number(first), last: Number(last) };
}

const { first, last } = givenPorts();
const count = last - first + 1;
/** Runs that know nothing of each other, by hand, begin at different places. */
const start = process.env.TMCP_TEST_PORTS === undefined ? (process.pid * 97) % count : 0;
let handedOut = 0;

/**
 * Finds a free loopback port. No port is handed out twice by one process: what a service has left is not free, because its
 * test may bring it back. `npm test` gives processes that run side by side ranges of their own.
 */
export async function freePort(): Promise<number> {
  while (handedOut < count) {
    const port = first + ((start + handedOut) % count);
    handedOut += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`All ports from ${first} to ${last} were handed out.`);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
