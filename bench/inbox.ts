import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';
import express from 'express';
import { AppService } from 'matrix-appservice-bridge';
import { migrate, openDatabase } from '../src/database/index.ts';
import { createJobQueue } from '../src/jobs/index.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { createInbox, readStored } from '../src/matrix/inbox.ts';
import { ownNames } from '../src/matrix/identity.ts';
import type { Lookups } from '../src/matrix/lookups.ts';
import { appserviceRouter } from '../src/matrix/receiver.ts';
import { eventsPerTransaction, type SendOrder } from './inbox-homeserver.ts';
import { inTurns, type Measurement } from './support.ts';

const hsToken = 'bench-hs-token';
const transactionsPerRound = 500;
const rounds = 7;

/** The homeserver's side runs in a thread of its own, so that what is measured is the receiver. */
class Homeserver {
  readonly #worker = new Worker(new URL('inbox-homeserver.ts', import.meta.url));

  /** Transactions per second. */
  async send(order: SendOrder): Promise<number> {
    this.#worker.postMessage(order);
    const [rate] = (await once(this.#worker, 'message')) as [number];
    return rate;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
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
    stored: async () => {
      const sizes = (await database.sql<{ body: string }>('job').pluck('body')).map((body) => readStored(JSON.parse(body)).transactions.reduce((sum, { events }) => sum + events.length, 0));
      return sizes.reduce((sum, size) => sum + size, 0);
    },
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

/** The least that a receiver can be whose transactions are on the disk before it answers: express, and one compiled insert of the body as it came. */
async function bareDurableReceiver(directory: string): Promise<{ port: number; close: () => void }> {
  const database = new SqliteDatabase(join(directory, 'bare.db'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE received (id integer PRIMARY KEY, body blob NOT NULL)');
  const insert = database.prepare('INSERT INTO received (body) VALUES (?)');
  const app = express().put('/_matrix/app/v1/transactions/:txnId', express.raw({ limit: 50 * 1024 * 1024, type: () => true }), (req, res) => {
    insert.run(req.body);
    res.json({});
  });
  const server = createServer(app);
  const close = (): void => {
    server.close();
    database.close();
  };
  return { port: await listen(server), close };
}

/**
 * Transactions of 100 events, durable before 200, against the bridge library's receiver, which acknowledges without durability.
 * Several in flight: what a receiver can take. One in flight, as one homeserver sends: each waits for its own flush to the disk,
 * so it is told too how a receiver compares that does nothing else.
 */
export async function measureInbox(): Promise<Measurement[]> {
  const directory = mkdtempSync(join(tmpdir(), 'tmcp-bench-'));
  const homeserver = new Homeserver();
  const [ours, bridge, bare] = [await ourReceiver(directory), await bridgeReceiver(), await bareDurableReceiver(directory)];
  const measurements: Measurement[] = [];
  try {
    const compare = async (inFlight: number, floorPort: number) => {
      const sendTo = (port: number) => homeserver.send({ port, hsToken, inFlight, transactions: transactionsPerRound });
      await sendTo(ours.port);
      await sendTo(floorPort);
      return inTurns(
        rounds,
        () => sendTo(ours.port),
        () => sendTo(floorPort),
      );
    };
    for (const [inFlight, atLeast] of [[32, 1], [8, 1], [1, 0]] as const) {
      const rates = await compare(inFlight, bridge.port);
      measurements.push({ what: `appservice transactions of 100 events, ${inFlight} in flight`, ratio: rates.ours / rates.floor, atLeast, detail: `${rates.ours.toFixed(0)}/s durable, ${rates.floor.toFixed(0)}/s by matrix-appservice-bridge` });
    }
    const bareRates = await compare(1, bare.port);
    measurements.push({ what: 'appservice transactions of 100 events, 1 in flight, against one that only flushes', ratio: bareRates.ours / bareRates.floor, atLeast: 0.8, detail: `${bareRates.ours.toFixed(0)}/s, ${bareRates.floor.toFixed(0)}/s by express and one insert` });
    const perComparison = (rounds + 1) * transactionsPerRound * eventsPerTransaction;
    if ((await ours.stored()) !== 4 * perComparison || bridge.received() !== 3 * perComparison) throw new Error('events are missing');
    return measurements;
  } finally {
    await homeserver.close();
    bridge.close();
    bare.close();
    await ours.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
