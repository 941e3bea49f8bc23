import { answer, protocolVersion, type Routes } from '../http/index.ts';
import { pendingMigrations, type Database } from '../database/index.ts';
import type { LoopReport } from '../kernel/loop-health.ts';

export interface OperationsDependencies {
  readonly database: Database;
  readonly version: string;
  readonly homeserverState: () => string;
  /** Of each background loop that this process runs. */
  readonly loops: () => Readonly<Record<string, LoopReport>>;
}

/** Health for load balancers and people. A homeserver that is away degrades the server; a database that is away stops it. */
export function operationsRoutes({ database, version, homeserverState, loops }: OperationsDependencies): Routes {
  return {
    getLiveness: () => answer({ status: 'ok' }),
    getReadiness: async () => {
      const migrations = await pendingMigrations(database).then(
        (pending) => (pending.length === 0 ? ('ok' as const) : ('pending' as const)),
        () => 'unknown' as const,
      );
      const checks = { database: migrations === 'unknown' ? 'failed' : 'ok', migrations, homeserver: homeserverState(), loops: Object.fromEntries(Object.entries(loops()).map(([loop, { healthy }]) => [loop, healthy ? 'ok' : 'failing'])) };
      if (migrations !== 'ok') return answer({ status: 'unavailable', checks }, 503);
      return answer({ status: checks.homeserver === 'connected' && !Object.values(checks.loops).includes('failing') ? 'ready' : 'degraded', checks });
    },
    getVersion: () => answer({ server: 'tmcp-server', version, protocol: 'TMCP', protocol_version: protocolVersion }),
  };
}
