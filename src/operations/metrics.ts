import { createServer, type Server } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Database } from '../database/index.ts';
import { countUnfinished, type QueueCount } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { LoopReport } from '../kernel/loop-health.ts';

export interface MetricsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly homeserverState: () => string;
  readonly loops: () => Readonly<Record<string, LoopReport>>;
  /** Open streams of `/api/v1/events`. */
  readonly eventStreams: () => number;
  /** States of the circuit breakers in front of the wallet service. */
  readonly breakers: () => Readonly<Record<string, { readonly state: string }>>;
  /** Instructions to the wallet service without an answer; undefined where there is no such service. */
  readonly openInstructions: () => Promise<{ readonly count: number; readonly oldestAt: number | undefined } | undefined>;
  /** For what users may be suspended: shown from the start, since the first of a kind would be no increase otherwise. */
  readonly suspensionReasons?: readonly string[];
  /** Whether Redis counts requests, undefined where it is not to; and how many keys this process counts itself. */
  readonly limits: () => { readonly redis: boolean | undefined; readonly localKeys: number };
}

export interface Metrics {
  readonly registry: Registry;
  observeRequest(request: { operation: string; method: string; status: number; durationMs: number }): void;
  countJob(kind: string, outcome: string): void;
  /** A payment came into this state. */
  countPayment(state: string): void;
  /** A funding or a withdrawal came into this state. */
  countOrder(kind: string, state: string): void;
  /** A call to the wallet service. */
  onWalletCall(kind: string, outcome: string): void;
  /** An instruction to the wallet service came to its end. */
  onInstruction(kind: string, outcome: string): void;
  onCallback(outcome: string): void;
  countLimited(category: string, outcome: string): void;
  countSuspension(reason: string): void;
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

/** One question to the database for each look of Prometheus, whichever of them comes first. */
function queueGauges(registers: Registry[], database: Database, clock: Clock): void {
  let asked: ReturnType<typeof countUnfinished> | undefined;
  const counts = (): ReturnType<typeof countUnfinished> =>
    (asked ??= countUnfinished(database).finally(() => {
      asked = undefined;
    }));
  const queueGauge = (name: string, help: string, valueOf: (count: QueueCount) => number | undefined): Gauge =>
    new Gauge({
      name,
      help,
      labelNames: ['kind', 'state'],
      registers,
      async collect() {
        const found = await counts();
        this.reset();
        for (const one of found) {
          const value = valueOf(one);
          if (value !== undefined) this.set({ kind: one.kind, state: one.state }, value);
        }
      },
    });
  queueGauge('tmcp_jobs', 'Unfinished jobs; parked ones wait for an administrator', ({ count }) => count);
  queueGauge('tmcp_job_oldest_age_seconds', 'Age of the oldest unfinished job, also of one that is to run later', ({ oldestAt }) => (clock.now() - oldestAt) / 1000);
  queueGauge('tmcp_job_lag_seconds', 'For how long the first queued job has been due', ({ state, dueAt }) => (state === 'queued' ? Math.max(0, clock.now() - dueAt) / 1000 : undefined));
}

function limitGauges(registers: Registry[], limits: MetricsDependencies['limits']): void {
  new Gauge({
    name: 'tmcp_rate_limit_redis_up',
    help: '1 while requests are counted in Redis, 0 while each process counts alone although it should be Redis; absent where Redis is not configured',
    registers,
    collect() {
      const { redis } = limits();
      this.reset();
      if (redis !== undefined) this.set(Number(redis));
      else this.remove();
    },
  });
  new Gauge({ name: 'tmcp_rate_limit_local_keys', help: 'Users, clients and addresses that this process counts itself', registers, collect() { this.set(limits().localKeys); } });
}

const breakerStates = ['CLOSED', 'OPEN', 'HALF_OPEN'];

/** Of the calls to a wallet service; nothing is shown where there is none. */
function walletGauges(registers: Registry[], { breakers, openInstructions, clock }: Pick<MetricsDependencies, 'breakers' | 'openInstructions' | 'clock'>): void {
  new Gauge({
    name: 'tmcp_wallet_breaker_state',
    help: '1 for the state that a circuit breaker in front of the wallet service is in',
    labelNames: ['breaker', 'state'],
    registers,
    collect() {
      for (const [breaker, { state: current }] of Object.entries(breakers())) for (const state of breakerStates) this.set({ breaker, state }, Number(state === current));
    },
  });
  new Gauge({
    name: 'tmcp_wallet_open_instructions',
    help: 'Instructions that the wallet service has not answered',
    registers,
    async collect() {
      this.set((await openInstructions())?.count ?? 0);
    },
  });
  new Gauge({
    name: 'tmcp_wallet_oldest_instruction_age_seconds',
    help: 'Age of the oldest instruction that the wallet service has not answered',
    registers,
    async collect() {
      const oldestAt = (await openInstructions())?.oldestAt;
      this.set(oldestAt === undefined ? 0 : Math.max(0, clock.now() - oldestAt) / 1000);
    },
  });
}

/** What Prometheus reads. Queue depths are asked of the database when it asks. */
export function createMetrics({ database, clock, homeserverState, loops, eventStreams, limits, suspensionReasons = [], breakers, openInstructions }: MetricsDependencies): Metrics {
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
  const orders = new Counter({ name: 'tmcp_external_orders_total', help: 'Fundings and withdrawals by the states that they came into', labelNames: ['kind', 'state'], registers });
  const received = new Counter({ name: 'tmcp_appservice_events_total', help: 'Events that the homeserver pushed', labelNames: ['concern'], registers });
  walletGauges(registers, { breakers, openInstructions, clock });
  const callbacks = new Counter({ name: 'tmcp_wallet_callbacks_total', help: 'Callbacks of the wallet service by what became of them', labelNames: ['outcome'], registers });
  const walletCalls = new Counter({ name: 'tmcp_wallet_calls_total', help: 'Calls to the wallet service by kind and what became of them', labelNames: ['breaker', 'outcome'], registers });
  const instructions = new Counter({ name: 'tmcp_wallet_instructions_total', help: 'Instructions to the wallet service by what became of them', labelNames: ['kind', 'outcome'], registers });
  queueGauges(registers, database, clock);
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
  limitGauges(registers, limits);
  const limited = new Counter({ name: 'tmcp_rate_limit_requests_total', help: 'Requests by category of limit and what became of them', labelNames: ['category', 'outcome'], registers });
  const suspended = new Counter({ name: 'tmcp_suspensions_total', help: 'Users suspended through a client because of abuse', labelNames: ['reason'], registers });
  for (const reason of suspensionReasons) suspended.inc({ reason }, 0);
  return {
    registry,
    observeRequest: ({ operation, method, status, durationMs }) => requests.observe({ operation, method, status: String(status) }, durationMs / 1000),
    countJob: (kind, outcome) => jobs.inc({ kind, outcome }),
    countPayment: (state) => payments.inc({ state }),
    countOrder: (kind, state) => orders.inc({ kind, state }),
    onWalletCall: (breaker, outcome) => walletCalls.inc({ breaker, outcome }),
    onCallback: (outcome) => callbacks.inc({ outcome }),
    onInstruction: (kind, outcome) => instructions.inc({ kind, outcome }),
    countLimited: (category, outcome) => limited.inc({ category, outcome }),
    countSuspension: (reason) => suspended.inc({ reason }),
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
