import type { Server } from 'node:http';
import { errorText } from './kernel/errors.ts';
import type { Log } from './kernel/log.ts';

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
