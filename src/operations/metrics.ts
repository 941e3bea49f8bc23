import { createServer, type Server } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Database } from '../database/index.ts';
import { countUnfinished } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { LoopReport } from '../kernel/loop-health.ts';

export interface MetricsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly homeserverState: () => string;
  readonly loops: () => Readonly<Record<string, LoopReport>>;
  /** Open streams of `/api/v1/events`. */
  readonly eventStreams: () => number;
}

export interface Metrics {
  readonly registry: Registry;
  observeRequest(request: { operation: string; method: string; status: number; durationMs: number }): void;
  countJob(kind: string, outcome: string): void;
  /** A payment came into this state. */
  countPayment(state: string): void;
  countReceived(counts: { events: number; accepted: number; ephemeral: number }): void;
}

const homeserverStates = ['unknown', 'connected', 'one_way', 'unreachable'];

function loopGauges(registers: Registry[], loops: MetricsDependencies['loops']): void {
  new Gauge({
    name: 'tmcp_loop_last_run_timestamp_seconds',
    help: 'When a background loop last completed a round',
    labelNames: ['loop'],
    registers,
    collect() {
      for (const [loop, { lastRunAt }] of Object.entries(loops())) this.set({ loop }, lastRunAt / 1000);
    },
  });
  new Gauge({
    name: 'tmcp_loop_healthy',
    help: '1 while the rounds of a background loop succeed and none is overdue',
    labelNames: ['loop'],
    registers,
    collect() {
      for (const [loop, { healthy }] of Object.entries(loops())) this.set({ loop }, Number(healthy));
    },
  });
}

/** What Prometheus reads. Queue depths are asked of the database when it asks. */
export function createMetrics({ database, clock, homeserverState, loops, eventStreams }: MetricsDependencies): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Histogram({
    name: 'tmcp_http_request_duration_seconds',
    help: 'HTTP requests by operation of the OpenAPI document',
    labelNames: ['operation', 'method', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const jobs = new Counter({ name: 'tmcp_job_attempts_total', help: 'Attempts of queued jobs by what they led to', labelNames: ['kind', 'outcome'], registers });
  const payments = new Counter({ name: 'tmcp_payments_total', help: 'Payments to mini-apps by the states that they came into', labelNames: ['state'], registers });
  const received = new Counter({ name: 'tmcp_appservice_events_total', help: 'Events that the homeserver pushed', labelNames: ['concern'], registers });
  new Gauge({
    name: 'tmcp_jobs',
    help: 'Unfinished jobs; parked ones wait for an administrator',
    labelNames: ['kind', 'state'],
    registers,
    async collect() {
      this.reset();
      for (const { kind, state, count } of await countUnfinished(database)) this.set({ kind, state }, count);
    },
  });
  new Gauge({
    name: 'tmcp_job_oldest_age_seconds',
    help: 'Age of the oldest unfinished job',
    labelNames: ['kind', 'state'],
    registers,
    async collect() {
      this.reset();
      for (const { kind, state, oldestAt } of await countUnfinished(database)) this.set({ kind, state }, (clock.now() - oldestAt) / 1000);
    },
  });
  new Gauge({
    name: 'tmcp_homeserver_state',
    help: '1 for the state that the connection to the homeserver is in',
    labelNames: ['state'],
    registers,
    collect() {
      const current = homeserverState();
      for (const state of homeserverStates) this.set({ state }, state === current ? 1 : 0);
    },
  });
  new Gauge({
    name: 'tmcp_event_streams',
    help: 'Streams of live notices that are open',
    registers,
    collect() {
      this.set(eventStreams());
    },
  });
  loopGauges(registers, loops);
  return {
    registry,
    observeRequest: ({ operation, method, status, durationMs }) => requests.observe({ operation, method, status: String(status) }, durationMs / 1000),
    countJob: (kind, outcome) => jobs.inc({ kind, outcome }),
    countPayment: (state) => payments.inc({ state }),
    countReceived: ({ events, accepted, ephemeral }) => {
      received.inc({ concern: 'accepted' }, accepted);
      received.inc({ concern: 'ignored' }, events - accepted);
      received.inc({ concern: 'ephemeral' }, ephemeral);
    },
  };
}

/** The metrics' own listener: they are for the machine room, not for the internet. */
export function metricsServer(registry: Registry): Server {
  return createServer((req, res) => {
    if (req.url !== '/metrics' || req.method !== 'GET') {
      res.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => res.writeHead(200, { 'Content-Type': registry.contentType }).end(text),
      () => res.writeHead(500).end(),
    );
  });
}
