import { answer, type Routes } from '../http/index.ts';
import { pendingMigrations, type Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';

export interface OperationsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly version: string;
  readonly homeserverState: () => string;
  /** Undefined where this process runs no worker. */
  readonly workerHealth: (() => { readonly lastLoopAt: number; readonly error: string | undefined }) | undefined;
}

const workerSilenceMs = 60_000;

/** Health for load balancers and people. A homeserver that is away degrades the server; a database that is away stops it. */
export function operationsRoutes({ database, clock, version, homeserverState, workerHealth }: OperationsDependencies): Routes {
  const worker = (): 'ok' | 'failing' | 'off' => {
    if (workerHealth === undefined) return 'off';
    const { lastLoopAt, error } = workerHealth();
    return error === undefined && clock.now() - lastLoopAt < workerSilenceMs ? 'ok' : 'failing';
  };
  return {
    getLiveness: () => answer({ status: 'ok' }),
    getReadiness: async () => {
      const migrations = await pendingMigrations(database).then(
        (pending) => (pending.length === 0 ? ('ok' as const) : ('pending' as const)),
        () => 'unknown' as const,
      );
      const checks = { database: migrations === 'unknown' ? 'failed' : 'ok', migrations, homeserver: homeserverState(), worker: worker() };
      if (migrations !== 'ok') return answer({ status: 'unavailable', checks }, 503);
      return answer({ status: checks.homeserver === 'connected' && checks.worker !== 'failing' ? 'ready' : 'degraded', checks });
    },
    getVersion: () => answer({ server: 'tmcp-server', version, protocol: 'TMCP', protocol_version: '1.9.0' }),
  };
}
