import { answer, protocolVersion, type Routes } from '../http/index.ts';
import { pendingMigrations, type Database } from '../database/index.ts';
import { isoTime } from '../kernel/clock.ts';
import type { LoopReport } from '../kernel/loop-health.ts';

export interface OperationsDependencies {
  readonly database: Database;
  readonly version: string;
  readonly homeserverState: () => string;
  /** Of each background loop that this process runs. */
  readonly loops: () => Readonly<Record<string, LoopReport>>;
  /** Of calls to the wallet service; times in milliseconds. Empty where there is none. */
  readonly breakers: () => Readonly<Record<string, BreakerReport>>;
}

interface BreakerReport {
  readonly state: string;
  readonly failures_last_10_requests: number;
  readonly total_requests: number;
  readonly success_rate: number;
  readonly last_state_change: number;
}

/** Health for load balancers and people. A homeserver that is away degrades the server; a database that is away stops it. */
export function operationsRoutes({ database, version, homeserverState, loops, breakers }: OperationsDependencies): Routes {
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
    /** Section 7.7.4, of this process. */
    getCircuitBreakers: () => answer({ circuit_breakers: Object.fromEntries(Object.entries(breakers()).map(([name, { last_state_change: changedAt, ...report }]) => [name, { ...report, last_state_change: isoTime(changedAt) }])) }),
    getVersion: () => answer({ server: 'tmcp-server', version, protocol: 'TMCP', protocol_version: protocolVersion }),
  };
}
