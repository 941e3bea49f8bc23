import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { once } from 'node:events';
import { expect } from 'chai';
import { Webhook } from 'standardwebhooks';
import type { Database } from '../../../src/database/index.ts';
import { createJobQueue, Worker } from '../../../src/jobs/index.ts';
import { asMiniAppId, newWebhookSecret } from '../../../src/kernel/ids.ts';
import { createGuardedFetch, type GuardedFetch } from '../../../src/security/guarded-fetch.ts';
import { createWebhooks, deliveryKind, type Webhooks } from '../../../src/webhooks/index.ts';
import { findDelivery, type Delivery } from '../../../src/webhooks/repo.ts';
import { onBothDatabases, openTestDatabase } from '../../support/databases.ts';
import { insertTestApp } from '../../support/miniapps.ts';
import { recordingLog, TestClock } from '../oauth/support.ts';

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const shop = asMiniAppId('ma_shop');
const other = asMiniAppId('ma_other');
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const options = { timeoutMs: 2000, maxAgeMs: 72 * hour, retentionMs: 30 * 24 * hour, perEndpoint: 2 };

onBothDatabases('webhooks', (databases) => {
  let database: Database;
  let clock: TestClock;
  let merchant: Server;
  let url: string;
  let received: Received[];
  /** What the merchant's server answers: a status, or nothing at all. */
  let answers: (number | 'hang up' | 'hang')[];
  let secrets: Map<string, string>;
  let urls: Map<string, string>;
  let told: string[];
  let guardedFetch: GuardedFetch;
  let webhooks: Webhooks;
  let worker: Worker | undefined;

  beforeEach(async () => {
    database = await openTestDatabase(databases);
    clock = new TestClock();
    received = [];
    answers = [];
    told = [];
    merchant = createServer((req, res) => {
      let body = '';
      req.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      req.on('end', () => {
        received.push({ headers: req.headers, body });
        const next = answers.shift() ?? 200;
        if (next === 'hang') return;
        if (next === 'hang up') return void req.socket.destroy();
        res.writeHead(next, next === 302 ? { location: `${url}elsewhere` } : {}).end();
      });
    }).listen(0, '127.0.0.1');
    await once(merchant, 'listening');
    url = `http://127.0.0.1:${(merchant.address() as { port: number }).port}/`;
    secrets = new Map([shop, other].map((id) => [id, newWebhookSecret()]));
    urls = new Map([shop, other].map((id) => [id, url]));
    for (const id of [shop, other]) await insertTestApp(database, id);
    guardedFetch = createGuardedFetch({ development: true, timeoutMs: options.timeoutMs, maxBytes: 65_536 });
    webhooks = make(guardedFetch);
  });
  afterEach(async () => {
    merchant.closeAllConnections();
    merchant.close();
    await worker?.stop();
    worker = undefined;
    await guardedFetch.close();
    await database.close();
  });

  const make = (fetcher: GuardedFetch): Webhooks =>
    createWebhooks({
      database,
      clock,
      queue: createJobQueue(clock),
      guardedFetch: fetcher,
      findEndpoint: (id) => Promise.resolve(urls.has(id) ? { url: urls.get(id)!, sealedSecret: `sealed ${secrets.get(id)}` } : undefined),
      unseal: (sealed) => sealed.replace('sealed ', ''),
      tellDevelopers: (_tx, id, problem) => Promise.resolve(void told.push(`${id}: ${problem}`)),
      options,
    });
  const send = async (miniappId = shop): Promise<string> => (await database.inTransaction((tx) => webhooks.send(tx, { miniappId, event: 'payment.completed', data: { payment_id: 'pay_1' } })))!;
  const delivery = async (id: string): Promise<Delivery> => (await findDelivery(database, id))!;

  /** Lets the worker run until `count` jobs more have been dealt with in one of these ways. */
  async function work(count: number, outcomes: readonly string[] = ['done']): Promise<void> {
    let left = count;
    const { promise, resolve } = Promise.withResolvers<void>();
    worker = new Worker({
      database,
      clock,
      log: recordingLog(),
      kinds: { [deliveryKind]: webhooks.delivering },
      options: { maxAttempts: 3, pollIntervalMs: 10, leaseMs: 60_000, concurrency: 4, backoffBaseMs: 1, backoffCapMs: 5 },
      onSettled: (_kind, outcome) => {
        if (outcomes.includes(outcome) && (left -= 1) === 0) resolve();
      },
    });
    worker.start();
    await promise;
    await worker.stop();
    worker = undefined;
  }

  it('arrive, signed in both ways, with one id and a time of their own', async () => {
    const id = await send();
    await work(1);
    expect(received).to.have.length(1);
    const { headers, body } = received[0]!;
    expect(JSON.parse(body)).to.deep.include({ event: 'payment.completed', event_id: id, data: { payment_id: 'pay_1' } });
    expect(headers).to.include({ 'content-type': 'application/json', 'x-webhook-event-id': id, 'webhook-id': id });
    // Appendix D of the specification.
    expect(headers['x-webhook-signature']).to.equal(`sha256=${createHmac('sha256', secrets.get(shop)!).update(body).digest('hex')}`);
    expect(new Webhook(secrets.get(shop)!).verify(body, headers as Record<string, string>)).to.be.an('object');
    expect(() => new Webhook(secrets.get(other)!).verify(body, headers as Record<string, string>)).to.throw();
    expect(await delivery(id)).to.include({ state: 'delivered', attempts: 1, lastStatus: 200 });
  });

  it('are not there when their transaction is rolled back, nor for an app without a webhook', async () => {
    await database.inTransaction(async (tx) => {
      await webhooks.send(tx, { miniappId: shop, event: 'x', data: {} });
      throw new Error('rolled back');
    }).catch(() => undefined);
    urls.delete(other);
    expect(await database.inTransaction((tx) => webhooks.send(tx, { miniappId: other, event: 'x', data: {} }))).to.equal(undefined);
    expect(await database.sql('webhook_delivery').select('*')).to.deep.equal([]);
    expect(await database.sql('job').select('*')).to.deep.equal([]);
  });

  it('are tried as the specification says, then more slowly for three days, and then given up', async () => {
    clock.freeze();
    const id = await send();
    const waits: number[] = [];
    for (let state = 'pending', attempt = 1; state === 'pending'; attempt += 1) {
      answers.push(attempt % 2 === 0 ? 503 : 'hang up');
      await work(1);
      const after = await delivery(id);
      state = after.state;
      if (after.nextAt === undefined) break;
      waits.push((after.nextAt - clock.now()) / second);
      clock.advance(after.nextAt - clock.now());
    }
    expect(waits.slice(0, 8)).to.deep.equal([1, 5, 30, 120, 300, 900, 3600, 10_800]);
    expect(new Set(waits.slice(8))).to.deep.equal(new Set([21_600]));
    expect(waits.reduce((sum, wait) => sum + wait, 0)).to.be.within(60 * 3600, 72 * 3600);
    expect((await delivery(id)).state).to.equal('failed');
    expect(new Set(received.map(({ headers }) => headers['webhook-id']))).to.deep.equal(new Set([id]));
    const stamps = received.map(({ headers }) => Number(headers['webhook-timestamp']));
    expect(stamps).to.deep.equal([...new Set(stamps)].sort((a, b) => a - b));
    expect(new Set(received.map(({ body }) => body)).size).to.equal(1);
    expect(told).to.have.length(1);
    expect(told[0]).to.match(/^ma_shop: payment\.completed \(evt_\w+\) was not taken by your webhook after \d+ attempts: /);
  });

  for (const status of [400, 401]) {
    it(`stop at ${status}, and the developers are told`, async () => {
      answers = [status];
      const id = await send();
      await work(1);
      expect(await delivery(id)).to.include({ state: 'refused', attempts: 1, lastStatus: status });
      expect(told).to.deep.equal([`ma_shop: payment.completed (${id}) was refused by your webhook after 1 attempt: answered ${status}`]);
      expect(await database.sql('job').where({ state: 'queued' })).to.deep.equal([]);
    });
  }

  for (const first of [302, 429, 500, 'hang up'] as const) {
    it(`are sent again after ${first}`, async () => {
      answers = [first];
      const id = await send();
      await work(1);
      expect(await delivery(id)).to.include({ state: 'pending', attempts: 1 });
      clock.advance(second);
      await work(1);
      expect(await delivery(id)).to.include({ state: 'delivered', attempts: 2 });
      expect(received).to.have.length(2);
    });
  }

  it('go to no private address, and say so', async () => {
    const strict = createGuardedFetch({ development: false, timeoutMs: 500, maxBytes: 1000 });
    webhooks = make(strict);
    for (const target of [url, url.replace('http:', 'https:'), 'https://10.0.0.1/', 'https://[::1]/']) {
      urls.set(shop, target);
      const id = await send();
      await work(1);
      expect((await delivery(id)).lastError, target).to.match(/^AddressRefused: /);
    }
    expect(received).to.deep.equal([]);
    await strict.close();
  });

  it('are signed with both secrets while one replaces the other', async () => {
    const [old, next] = [secrets.get(shop)!, newWebhookSecret()];
    secrets.set(shop, next);
    await database.inTransaction((tx) => webhooks.keepSigningWith(tx, shop, `sealed ${old}`, hour));
    await send();
    await work(1);
    clock.advance(hour);
    await send();
    await work(1);
    const signatures = received.map(({ headers }) => String(headers['webhook-signature']).split(' ').length);
    expect(signatures).to.deep.equal([2, 1]);
    for (const secret of [old, next]) expect(new Webhook(secret).verify(received[0]!.body, received[0]!.headers as Record<string, string>)).to.be.an('object');
    const specified = received.map(({ headers, body }) => [old, next].findIndex((secret) => headers['x-webhook-signature'] === `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`));
    expect(specified, 'the old one until the end of the overlap').to.deep.equal([0, 1]);
  });

  it('of a slow app do not hold up those of others', async () => {
    answers = ['hang', 'hang'];
    for (let n = 0; n < 6; n += 1) await send(shop);
    const slow = Promise.withResolvers<void>();
    const watch = setInterval(() => {
      if (received.length >= 2) slow.resolve();
    }, 5);
    worker = new Worker({
      database,
      clock,
      log: recordingLog(),
      kinds: { [deliveryKind]: webhooks.delivering },
      options: { maxAttempts: 3, pollIntervalMs: 10, leaseMs: 60_000, concurrency: 4, backoffBaseMs: 1, backoffCapMs: 5 },
      onSettled: (_kind, outcome) => {
        if (outcome === 'done') slow.resolve();
      },
    });
    worker.start();
    await slow.promise;
    clearInterval(watch);
    const id = await send(other);
    while ((await delivery(id)).state === 'pending') worker.wake();
    expect(received.filter(({ body }) => body.includes(id))).to.have.length(1);
    expect(received.length, 'two of the slow app, and the other').to.equal(3);
    merchant.closeAllConnections();
  });

  it('count an attempt once, when a worker dies between the answer and its record', async () => {
    answers = [200, 500];
    const id = await send();
    const job = { id: 'j', stream: 's', kind: deliveryKind, body: { deliveryId: id, attempt: 1 }, attempt: 1, createdAt: clock.now(), unsettledSince: undefined };
    const recordings = [await webhooks.delivering.run(job), await webhooks.delivering.run(job)];
    for (const recording of recordings) await database.inTransaction(async (tx) => recording!(tx));
    expect(received.map(({ headers }) => headers['webhook-id'])).to.deep.equal([id, id]);
    expect(await delivery(id), 'the later record changes nothing').to.include({ state: 'delivered', attempts: 1, lastStatus: 200 });
    expect(await database.sql('job').where({ id: `${id}:${(await delivery(id)).createdAt}:2` }), 'nor does it bring another attempt').to.deep.equal([]);
    expect(await webhooks.delivering.run(job), 'settled: nothing is sent').to.equal(undefined);
    expect(received).to.have.length(2);
  });

  it('are sent again when they are asked for, with the same id', async () => {
    answers = [400];
    const id = await send();
    expect(await webhooks.replay(shop, id).catch((error: { code: string }) => error.code)).to.equal('INVALID_STATE_TRANSITION');
    await work(1);
    expect(await webhooks.replay(other, id).catch((error: { code: string }) => error.code)).to.equal('NOT_FOUND');
    clock.advance(minute);
    expect(await webhooks.replay(shop, id)).to.include({ state: 'pending', attempts: 0 });
    await work(1);
    expect(await delivery(id)).to.include({ state: 'delivered', attempts: 1 });
    expect(received.map(({ headers }) => headers['webhook-id'])).to.deep.equal([id, id]);
  });

  it('are forgotten long after they were settled, and not before', async () => {
    const id = await send();
    await work(1);
    const waiting = await send();
    const tidyUp = (): Promise<boolean> => database.inTransaction((tx) => webhooks.tidyUp(tx, clock.now()));
    await tidyUp();
    expect(await findDelivery(database, id)).not.to.equal(undefined);
    clock.advance(options.retentionMs + 1);
    await tidyUp();
    expect(await findDelivery(database, id)).to.equal(undefined);
    expect(await findDelivery(database, waiting)).not.to.equal(undefined);
  });
});
