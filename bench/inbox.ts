import { once } from 'node:events';
import { createServer, request, Agent, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { AppService } from 'matrix-appservice-bridge';
import { migrate, openDatabase } from '../src/database/index.ts';
import { createJobQueue } from '../src/jobs/index.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { createInbox } from '../src/matrix/inbox.ts';
import { ownNames } from '../src/matrix/identity.ts';
import type { Lookups } from '../src/matrix/lookups.ts';
import { appserviceRouter } from '../src/matrix/receiver.ts';
import { inTurns, type Measurement } from './support.ts';

const hsToken = 'bench-hs-token';
const eventsPerTransaction = 100;
const transactionsPerRound = 200;
const rounds = 7;
const rooms = 10;

let counter = 0;
/** As Synapse sends it: one hundred events that all concern us, from several rooms. */
function transaction(): Buffer {
  const events = Array.from({ length: eventsPerTransaction }, () => {
    counter += 1;
    return {
      type: 'm.tween.miniapp.launch',
      event_id: `$${String(counter).padStart(43, 'x')}`,
      room_id: `!room${counter % rooms}:bench.test`,
      sender: '@alice:bench.test',
      origin_server_ts: 1_763_900_000_000 + counter,
      content: { miniapp_id: 'ma_shop_001', launch_source: 'chat_bubble', launch_params: { product_id: `prod_${counter}` } },
      unsigned: { age: 12 },
    };
  });
  return Buffer.from(JSON.stringify({ events }));
}

function put(agent: Agent, port: number, txnId: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const req = request(
      { agent, port, host: '127.0.0.1', method: 'PUT', path: `/_matrix/app/v1/transactions/${txnId}`, headers: { authorization: `Bearer ${hsToken}`, 'content-type': 'application/json', 'content-length': body.length } },
      (res) => {
        res.resume();
        res.on('end', () => (res.statusCode === 200 ? resolve() : reject(new Error(`status ${res.statusCode}`))));
      },
    );
    req.on('error', reject);
    req.end(body);
  });
}

/** Transactions per second. */
async function drive(port: number, inFlight: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  const bodies = Array.from({ length: transactionsPerRound }, transaction);
  const start = performance.now();
  const sendAll = async (): Promise<void> => {
    for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
      counter += 1;
      await put(agent, port, `t${counter}`, body);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, sendAll));
  const seconds = (performance.now() - start) / 1000;
  agent.destroy();
  return transactionsPerRound / seconds;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

async function ourReceiver(directory: string): Promise<{ port: number; stored: () => Promise<number>; close: () => Promise<void> }> {
  const database = openDatabase({ url: `sqlite:${join(directory, 'bench.db')}`, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
  await migrate(database);
  const inbox = createInbox({ database, queue: createJobQueue(systemClock), names: ownNames('bench.test', '_tmcp', '_tmcp_store'), types: new Set(['m.tween.miniapp.launch']), onMembership: () => {} });
  const quiet = { debug() {}, info() {}, warn() {}, error: console.error, child: () => quiet };
  const app = express().use(appserviceRouter({ inbox, lookups: {} as Lookups, hsToken, bodyLimitBytes: 50 * 1024 * 1024, log: quiet }));
  const server = createServer(app);
  return {
    port: await listen(server),
    stored: async () => (await database.sql<{ body: string }>('job').pluck('body')).reduce((sum, body) => sum + (JSON.parse(body) as { events: unknown[] }).events.length, 0),
    close: async () => {
      server.close();
      await database.close();
    },
  };
}

async function bridgeReceiver(): Promise<{ port: number; received: () => number; close: () => void }> {
  const appservice = new AppService({ homeserverToken: hsToken, httpMaxSizeBytes: 50 * 1024 * 1024 });
  let received = 0;
  appservice.on('event', () => (received += 1));
  const server = createServer(appservice.expressApp);
  return { port: await listen(server), received: () => received, close: () => void server.close() };
}

/**
 * Transactions of 100 events, durable before 200, against the bridge library's receiver, which acknowledges without durability.
 * Several in flight: what a receiver can take. One in flight: what one homeserver can send.
 */
export async function measureInbox(): Promise<Measurement[]> {
  const directory = mkdtempSync(join(tmpdir(), 'tmcp-bench-'));
  const [ours, bridge] = [await ourReceiver(directory), await bridgeReceiver()];
  const measurements: Measurement[] = [];
  try {
    for (const [inFlight, atLeast] of [[8, 1], [1, 0]] as const) {
      await drive(ours.port, inFlight);
      await drive(bridge.port, inFlight);
      const rates = await inTurns(
        rounds,
        () => drive(ours.port, inFlight),
        () => drive(bridge.port, inFlight),
      );
      measurements.push({ what: `appservice transactions of 100 events, ${inFlight} in flight`, ratio: rates.ours / rates.floor, atLeast, detail: `${rates.ours.toFixed(0)}/s durable, ${rates.floor.toFixed(0)}/s by matrix-appservice-bridge` });
    }
    const expected = 2 * (rounds + 1) * transactionsPerRound * eventsPerTransaction;
    if ((await ours.stored()) !== expected || bridge.received() !== expected) throw new Error('events are missing');
    return measurements;
  } finally {
    bridge.close();
    await ours.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
