import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where the programs of PostgreSQL are, and as whom they run. */
export interface PostgresPrograms {
  directory: string;
  /** Set when this process is root, as whom PostgreSQL refuses to run. */
  user: { uid: number; gid: number } | undefined;
  /** Whether `setpriv` can have the kernel end a child with its parent. */
  tiesToParent: boolean;
}

const PACKAGED = '/usr/lib/postgresql';
const NEEDED = ['initdb', 'postgres'];
const UNPRIVILEGED = ['postgres', 'nobody'];

/** Finds the newest PostgreSQL of the distribution, or one on the path; returns why not as a string. */
export function findPostgres(): PostgresPrograms | string {
  const directory = candidates().find((path) => NEEDED.every((program) => existsSync(join(path, program))));
  if (!directory) return `PostgreSQL is not installed: no initdb under ${PACKAGED} or on PATH, and TMCP_TEST_POSTGRES_URL is not set`;
  if (process.getuid?.() !== 0) return { directory, user: undefined, tiesToParent: canTieToParent() };
  const user = UNPRIVILEGED.map(idsOf).find((ids) => ids !== undefined);
  return user ? { directory, user, tiesToParent: canTieToParent() } : 'PostgreSQL refuses to run as root, and there is no user "postgres" or "nobody"';
}

function canTieToParent(): boolean {
  try {
    return execFileSync('setpriv', ['--help'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).includes('--pdeathsig');
  } catch {
    return false;
  }
}

function candidates(): string[] {
  const versions = existsSync(PACKAGED) ? readdirSync(PACKAGED) : [];
  const newestFirst = versions.sort((a, b) => Number.parseFloat(b) - Number.parseFloat(a));
  const onPath = (process.env.PATH ?? '').split(delimiter).filter((path) => path !== '');
  return [...newestFirst.map((version) => join(PACKAGED, version, 'bin')), ...onPath];
}

function idsOf(name: string): { uid: number; gid: number } | undefined {
  try {
    const [uid, gid] = ['-u', '-g'].map((flag) =>
      Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })),
    );
    return uid === undefined || gid === undefined ? undefined : { uid, gid };
  } catch {
    return undefined;
  }
}
