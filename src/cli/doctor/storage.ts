import { constants, existsSync } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { countUnfinished } from '../../jobs/index.ts';
import { errorText } from '../../kernel/errors.ts';
import { isRingFile, listRingKeys, nameOfRing, ringPlaceOf } from '../../security/key-ring.ts';
import { findLackingKey } from '../../security/ring-fit.ts';
import { failed, ok, skipped, warning, type Check, type Finding } from './check.ts';
import type { Subject } from './subject.ts';

/** The path itself, or the nearest directory above it that is there. */
function nearestExisting(path: string): string {
  let nearest = path;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  return nearest;
}

async function dataDirectory({ config }: Subject): Promise<Finding> {
  const path = config.server.data_dir;
  const nearest = nearestExisting(path);
  const mend = 'let the user that runs the server write there, or set server.data_dir to another directory';
  if (!(await stat(nearest)).isDirectory()) return failed(`${nearest} is not a directory`, mend);
  const problem = await access(nearest, constants.W_OK | constants.X_OK).catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
  if (typeof problem === 'string') return failed(`${nearest} can't be written: ${problem}`, mend);
  return ok(nearest === path ? path : `${path} (made on the first start)`);
}

const mebibyte = 2 ** 20;

/** SQLite needs room for the write-ahead log and, now and then, for a second copy of what changes. */
export function judgeFreeSpace(freeBytes: number, path: string): Finding {
  const summary = `${Math.floor(freeBytes / mebibyte)} MiB free at ${path}`;
  const mend = 'make room: when the disk is full nothing more can be stored';
  if (freeBytes < 100 * mebibyte) return failed(summary, mend);
  return freeBytes < 1024 * mebibyte ? warning(summary, mend) : ok(summary);
}

async function diskSpace({ sqlitePath }: Subject): Promise<Finding> {
  if (sqlitePath === undefined) return skipped("PostgreSQL's disk is its own business");
  const path = nearestExisting(dirname(sqlitePath));
  const { bavail, bsize } = await statfs(path);
  return judgeFreeSpace(bavail * bsize, path);
}

function database({ database: found, databaseName, sqlitePath }: Subject): Finding {
  if (found.state === 'open') return ok(databaseName);
  if (found.state === 'missing') return warning(`${databaseName} is not there yet`, 'start the server or run "tmcp migrate"; if there should be one already, look at database.url and server.data_dir');
  const mend = sqlitePath === undefined ? 'start PostgreSQL, and check database.url' : 'restore a backup (docs/administration.md), or check database.url and who may read the file';
  return failed(`${databaseName}: ${found.problem}`, mend);
}

function migrations({ database: found }: Subject): Finding {
  if (found.state !== 'open') return skipped('needs the database');
  if (found.pending.length === 0) return ok('up to date');
  return warning(`the database lacks ${found.pending.join(', ')}`, 'back it up, then start the server or run "tmcp migrate"');
}

/** With data and without its ring, a start would make another ring that can't open what the first one sealed. */
function missingKeyRing(path: string, { database: found }: Subject): Finding {
  const isNew = found.state === 'missing' || (found.state === 'open' && found.pending.length > 0);
  if (isNew) return warning(`${path} is not there yet`, 'start the server; then keep a copy of it apart from the database');
  return failed(`${path} is missing, and the database holds what it sealed`, 'put the copy that you kept back before the server is started: a new one opens nothing');
}

async function keyRing(subject: Subject): Promise<Finding> {
  const place = ringPlaceOf(subject.config.security);
  const { path } = place;
  if (isRingFile(place) && !existsSync(path)) return missingKeyRing(path, subject);
  const mend = isRingFile(place) ? 'put the copy that you kept back, readable for the user that runs the server' : 'see that it is the ring that belongs to this database';
  try {
    listRingKeys(place);
    const { database: found } = subject;
    const lacking = found.state === 'open' && found.pending.length === 0 ? await findLackingKey(place, found.database) : undefined;
    if (lacking !== undefined) return failed(`${nameOfRing(place)} lacks ${lacking}: this database was sealed with another ring`, mend);
  } catch (error) {
    return failed(errorText(error), mend);
  }
  if (!isRingFile(place)) return ok(nameOfRing(place));
  const mode = (await stat(path)).mode & 0o777;
  if ((mode & 0o077) !== 0) return failed(`${path}: others on this machine can read it (mode ${mode.toString(8).padStart(4, '0')})`, `chmod 600 ${path}`);
  return ok(path);
}

async function queue({ database: found }: Subject): Promise<Finding> {
  if (found.state !== 'open' || found.pending.length > 0) return skipped('needs an up-to-date database');
  const counts = await countUnfinished(found.database);
  const total = (state: string): number => counts.filter((one) => one.state === state).reduce((sum, { count }) => sum + count, 0);
  const summary = `${total('parked')} parked, ${total('queued')} queued`;
  return total('parked') === 0 ? ok(summary) : warning(summary, 'see why with "tmcp queue list"; mend the cause, then "tmcp queue replay" or "tmcp queue discard" them');
}

/** Everything that is kept. */
export const storageChecks: readonly Check<Subject>[] = [
  { name: 'data-directory', look: dataDirectory },
  { name: 'disk-space', look: diskSpace },
  { name: 'database', look: database },
  { name: 'migrations', look: migrations },
  { name: 'key-ring', look: keyRing },
  { name: 'queue', look: queue },
];
