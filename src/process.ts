import type { Server } from 'node:http';
import type { Config } from './config/index.ts';
import { lockSqliteForServer, migrate, openConfiguredDatabase, sqlitePathOf, type Database } from './database/index.ts';
import type { ListenerOptions } from './http/index.ts';
import { systemClock } from './kernel/clock.ts';
import { errorText } from './kernel/errors.ts';
import type { Log } from './kernel/log.ts';
import { openKeyRing, ringPlaceOf, type KeyRing } from './security/key-ring.ts';
import { requireFittingRing } from './security/ring-fit.ts';

/** What a server process keeps its state in: a database that is up to date and, on SQLite, this process's alone, and the key ring that fits it. */
export async function openStore(config: Config): Promise<{ readonly database: Database; readonly keyRing: KeyRing; readonly close: () => Promise<void> }> {
  const database = openConfiguredDatabase(config);
  const sqlitePath = sqlitePathOf(config.database.url);
  const lock = sqlitePath === undefined ? undefined : lockSqliteForServer(sqlitePath);
  await migrate(database);
  const ringPlace = ringPlaceOf(config.security);
  await requireFittingRing(ringPlace, database);
  return {
    database,
    keyRing: await openKeyRing({ ...ringPlace, clock: systemClock }),
    async close() {
      await database.close();
      lock?.release();
    },
  };
}

export const listenerOptions = ({ server }: Config): ListenerOptions => ({
  headersTimeoutMs: server.headers_timeout_seconds * 1000,
  requestTimeoutMs: server.request_timeout_seconds * 1000,
  maxHeaderBytes: server.max_header_bytes,
  maxConnections: server.max_connections,
  clock: systemClock,
});

/** Returns the port. */
export const listen = (server: Server, port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });

const closeIdleEveryMs = 50;

/** Stops accepting, lets running requests finish, and cuts off what is left after `graceMs`. */
export const closeServer = (server: Server, graceMs: number): Promise<void> =>
  new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    // A connection that is kept open would be answered on, again and again, for as long as its client asks.
    const idle = setInterval(() => server.closeIdleConnections(), closeIdleEveryMs);
    server.close(() => {
      clearTimeout(cut);
      clearInterval(idle);
      resolve();
    });
    server.closeIdleConnections();
  });

/** Nothing that went wrong in one place may end the process: it is logged, and what waited for it fails by itself. */
export function surviveStrays(log: Log): void {
  process.on('unhandledRejection', (reason) => log.error({ error: errorText(reason), stack: reason instanceof Error ? reason.stack : undefined }, 'unhandled rejection'));
}

/** The first signal stops gracefully; a second ends at once. */
export function stopOnSignal(log: Log, stop: () => Promise<void>): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(130);
    stopping = true;
    log.info({ signal }, 'stopping: a second signal ends at once');
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error: errorText(error) }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
