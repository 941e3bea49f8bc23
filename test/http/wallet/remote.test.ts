import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import { auditPayments } from '../../../src/payments/index.ts';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { call, type ApiResponse } from '../../support/api.ts';
import { onEveryWalletService } from '../../support/databases.ts';
import type { WalletService } from '../../support/wallet-service.ts';
import { queued, runInstructions, startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { asked, auditActions, authorize, balanceOf, deliveriesOf, error, eventsOf, newPayer, newShop, paid, refund, runJob, type Payer, type Shop } from '../payments/support.ts';
import { auditOf } from './support.ts';

const secret = 'callback-secret-of-the-tests';
const env = {
  TMCP_WALLET_REMOTE_WEBHOOK_SECRET: secret,
  TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false',
  TMCP_MFA_LOWERED_LIMITS_PERCENT: '100',
};
const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));
const isMovement = (url: string | undefined): boolean => url?.startsWith('/internal/movements/') === true;

onEveryWalletService('a wallet service that fails', (databases) => {
  let server: WholeServer;
  let shop: Shop;
  let alice: Payer;
  before(async () => {
    server = await startWholeServer(databases, env);
    shop = await newShop(server, 'ma_shop');
    alice = await newPayer(server, shop, 'alice');
  });
  after(() => server.close());
  afterEach(async () => {
    server.walletService!.between = undefined;
    expect([...(await auditOf(server)), ...(await auditPayments(server.database))]).to.deep.equal([]);
  });

  const between = (work: NonNullable<WalletService['between']>): void => void (server.walletService!.between = work);
  const state = async (id: string): Promise<string> => (await server.database.sql('payment').where({ id }).first<{ status: string }>('status')).status;
  const movementsOf = async (id: string): Promise<number> => (await server.bank.sql('ledger_transfer').where({ ref: id, code: 'payment' }).select('id')).length;
  const instructionOf = async (id: string) => server.database.sql('wallet_instruction').where({ ref: id, code: 'payment' }).first<{ id: string; state: string; txn_id: string | null }>('id', 'state', 'txn_id');
  const announced = async (id: string): Promise<string[]> => (await eventsOf(server, id)).map(({ type }) => type);
  const waitOut = (): void => server.clock.advance(61_000);
  const signed = (body: string): Record<string, string> => ({ authorization: `HMAC-SHA256 ${createHmac('sha256', secret).update(body).digest('base64')}`, 'content-type': 'application/json' });
  const callback = (body: string, headers: Record<string, string> = signed(body)): Promise<ApiResponse> => call(server.url, 'POST', '/api/v1/wallet/callback', { body, headers: { 'content-type': 'application/json', ...headers } });

  it('before it was called at all leaves a payment in processing, until the job calls it with the same key', async () => {
    const id = await asked(server, alice);
    const before = await balanceOf(alice);
    between((serve, req, res) => (isMovement(req.url) ? void req.socket.destroy() : serve(req, res)));
    const answer = await authorize(server, alice, id, 1000);
    expect([answer.status, answer.body.status, await movementsOf(id)]).to.deep.equal([200, 'processing', 0]);
    server.walletService!.between = undefined;
    await runInstructions(server);
    await runInstructions(server);
    expect([await state(id), await movementsOf(id), (await balanceOf(alice)) - before]).to.deep.equal(['completed', 1, -10]);
    expect(await announced(id)).to.deep.equal(['m.tween.payment.request', 'm.tween.payment.completed']);
  });

  it('whose reply is lost is asked by the key, and the payment completes once', async () => {
    waitOut();
    const id = await asked(server, alice);
    let lost = 0;
    between((serve, req, res) => {
      if (!isMovement(req.url)) return serve(req, res);
      lost += 1;
      // It is carried out, and nobody hears of it.
      serve(req, Object.assign(res, { end: () => res.socket?.destroy() }));
    });
    expect((await authorize(server, alice, id, 1000)).body.status).to.equal('processing');
    expect([await movementsOf(id), lost]).to.deep.equal([1, 2]);
    server.walletService!.between = undefined;
    await runInstructions(server);
    expect([await state(id), await movementsOf(id)]).to.deep.equal(['completed', 1]);
    expect(await auditActions(server, id)).to.deep.equal(['payment.requested', 'payment.processing', 'payment.completed']);
  });

  it('that takes its time is told of in the room, once, before how it ended', async () => {
    waitOut();
    const [slow, quick] = [await asked(server, alice), await paid(server, alice, 3)];
    between((serve, req, res) => (isMovement(req.url) ? void req.socket.destroy() : serve(req, res)));
    expect((await authorize(server, alice, slow, 1000)).body.status).to.equal('processing');
    expect(await announced(slow)).to.deep.equal(['m.tween.payment.request']);
    // Both have a job that looks after the wait; the quick one has nothing to say any more.
    for (const id of [slow, quick]) await runJob(server, 'payment.sent', id);
    server.walletService!.between = undefined;
    waitOut();
    await runInstructions(server);
    await runJob(server, 'payment.sent', slow);
    expect([await announced(slow), await announced(quick)]).to.deep.equal([
      ['m.tween.payment.request', 'm.tween.payment.sent', 'm.tween.payment.completed'],
      ['m.tween.payment.request', 'm.tween.payment.completed'],
    ]);
    const [, sent] = await eventsOf(server, slow);
    expect(checkContent('m.tween.payment.sent', { ...sent!.content, delivery_id: 'job_x' })).to.deep.equal([]);
    expect(sent).to.deep.include({ speaker: 'payments', relatesTo: slow });
    expect(sent!.content).to.deep.include({ payment_type: 'sent', status: 'processing', amount_minor: 1000, currency: 'USD', transaction: { txn_id: slow, amount: 10, amount_minor: 1000, currency: 'USD' } });
    expect((await deliveriesOf(server, slow)).map(({ event }) => event)).to.deep.equal(['payment.completed']);
  });

  it('tells by a callback what became of a movement, and the poll that comes at the same time changes nothing', async () => {
    waitOut();
    const id = await asked(server, alice, { amount: 12.5 });
    between((serve, req, res) => (isMovement(req.url) ? serve(req, Object.assign(res, { end: () => res.socket?.destroy() })) : serve(req, res)));
    expect((await authorize(server, alice, id, 1250)).body.status).to.equal('processing');
    server.walletService!.between = undefined;
    const { id: key } = await instructionOf(id);
    const { txn_id: txnId } = await server.bank.sql('service_movement').where({ key }).first<{ txn_id: string }>('txn_id');
    const body = JSON.stringify({ event: 'payment.completed', key, transaction_id: txnId, amount: 12.5, currency: 'USD', sender: { user_id: alice.userId }, timestamp: '2026-11-28T12:00:00Z' });
    waitOut();
    const answers = await Promise.all([callback(body), runInstructions(server), callback(body)]);
    expect([answers[0].status, answers[2].status]).to.deep.equal([200, 200]);
    expect([await state(id), await announced(id)]).to.deep.equal(['completed', ['m.tween.payment.request', 'm.tween.payment.completed']]);
    // Section 4.11.8: known now by the transaction id alone.
    const { key: _, ...known } = JSON.parse(body) as Record<string, unknown>;
    const repeated = await callback(JSON.stringify(known));
    expect([repeated.status, repeated.body]).to.deep.equal([200, { idempotent: true, transaction_id: txnId }]);
    for (const wrong of [{ ...known, amount: 12.51 }, { ...known, currency: 'EUR' }, { ...known, sender: { user_id: '@mallory:example.org' } }, { ...known, event: 'payment.failed' }]) {
      expect(error(await callback(JSON.stringify(wrong)))).to.deep.equal([409, 'DUPLICATE_TRANSACTION']);
    }
    const jobs = async (): Promise<number> => (await server.database.sql('job').select('id')).length;
    const queuedBefore = await jobs();
    // Section 4.11.7's example, of a payment that the wallet made by itself: no room hears of it.
    const own = { ...known, transaction_id: 'txn_of_nobody', recipient: { user_id: '@bob:example.org' }, room_id: '!chat123:example.org', note: 'Lunch money' };
    expect(error(await callback(JSON.stringify(own)))).to.deep.equal([404, 'PAYMENT_NOT_FOUND']);
    expect(await jobs()).to.equal(queuedBefore);
    expect(await server.app.metrics.registry.metrics()).to.match(/tmcp_wallet_callbacks_total\{outcome="mismatch"\} 4/);
  });

  it('is believed only with its signature, over the body as sent', async () => {
    const text = '{ "event": "payment.completed", "transaction_id": "txn_of_nobody", "amount": 5000.00, "currency": "USD" , "note":"a\\"b" }';
    const hmac = (over: string, key = secret): string => createHmac('sha256', key).update(over).digest('base64');
    const withField = (signature: string): string => text.replace(' }', `, "signature": "${signature}" }`);
    const refused = [
      callback(text, { authorization: `HMAC-SHA256 ${hmac(text, 'another')}` }),
      callback(text.replace('5000', '5001'), { authorization: hmac(text) }),
      callback(text, { authorization: hmac('') }),
      callback(text, {}),
      callback(withField(hmac(withField(''))), {}),
      callback(withField(hmac(text)).replace('5000', '5001'), {}),
      callback(`{"signature":"${hmac('{}')}","signature":"${hmac('{}')}"}`, {}),
    ];
    for (const answer of await Promise.all(refused)) expect(error(answer)).to.deep.equal([401, 'INVALID_SIGNATURE']);
    const good = [
      callback(text, { authorization: `HMAC-SHA256 ${hmac(text)}` }),
      callback(text, { authorization: createHmac('sha256', secret).update(text).digest('hex') }),
      callback(withField(hmac(text)), {}),
      callback(text.replace('{ ', `{ "signature":"${hmac(text)}", `), {}),
    ];
    for (const answer of await Promise.all(good)) expect(error(answer)).to.deep.equal([404, 'PAYMENT_NOT_FOUND']);
  });

  it('is not called any more after five failures of ten, until a probe a minute later succeeds (section 7.7)', async () => {
    waitOut();
    await balanceOf(alice);
    const breaker = async (): Promise<Record<string, unknown>> => (await call(server.url, 'GET', '/api/v1/status/circuit-breakers')).body.circuit_breakers.wallet_balance as Record<string, unknown>;
    let called = 0;
    let failing = true;
    between((serve, req, res) => {
      called += 1;
      if (failing) res.writeHead(500).end();
      else serve(req, res);
    });
    server.clock.freeze();
    const balance = (): Promise<ApiResponse> => alice.get('/wallet/v1/balance');
    const answers: ApiResponse[] = [];
    for (let n = 0; n < 4; n += 1) answers.push(await balance());
    expect(called, 'the first request asks twice').to.equal(5);
    const last = answers.at(-1)!;
    expect(last.status).to.equal(503);
    expect(last.headers.get('retry-after')).to.equal('60');
    expect(last.body.error).to.include({ code: 'SERVICE_UNAVAILABLE', message: 'Payment service temporarily unavailable', retry_after: 60, circuit_state: 'OPEN' });
    expect(await breaker()).to.include({ state: 'OPEN', failures_last_10_requests: 5 });
    expect(await server.app.metrics.registry.metrics()).to.contain('tmcp_wallet_breaker_state{breaker="wallet_balance",state="OPEN"} 1');
    server.clock.advance(59_999);
    await balance();
    expect(called).to.equal(5);
    server.clock.advance(1);
    await balance();
    expect([called, (await breaker()).state], 'one probe, which fails').to.deep.equal([6, 'OPEN']);
    failing = false;
    server.clock.advance(60_000);
    expect((await balance()).status).to.equal(200);
    expect([called, (await breaker()).state]).to.deep.equal([7, 'CLOSED']);
  });

  it('that declines has not failed', async () => {
    waitOut();
    await paid(server, alice, 1);
    const poor = await newPayer(server, shop, 'poor', { amount: '1.00' });
    for (let n = 0; n < 12; n += 1) expect(error(await authorize(server, poor, await asked(server, poor), 1000))).to.deep.equal([402, 'INSUFFICIENT_FUNDS']);
    const { body } = await call(server.url, 'GET', '/api/v1/status/circuit-breakers');
    expect(Object.values(body.circuit_breakers as Record<string, { state: string }>).map((breaker) => breaker.state)).to.deep.equal(['CLOSED', 'CLOSED', 'CLOSED', 'CLOSED']);
  });

  it('reserves what is on its way back, and gives it free when the service refuses', async () => {
    const id = await paid(server, alice, 20);
    between((serve, req, res) => (isMovement(req.url) ? void req.socket.destroy() : serve(req, res)));
    const first = await refund(server, shop, id, { amount: 15 });
    expect([first.status, first.body.refund_status, first.body.status]).to.deep.equal([200, 'processing', 'completed']);
    expect((await refund(server, shop, id, { amount: 10 })).status).to.equal(400);
    waitOut();
    between((serve, req, res) => {
      if (!isMovement(req.url)) return serve(req, res);
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ key: req.url!.split('/').at(-1), status: 'refused', refusal: { code: 'INSUFFICIENT_FUNDS', message: 'No' } }));
    });
    await runInstructions(server);
    server.walletService!.between = undefined;
    expect((await call(server.url, 'GET', `/api/v1/payments/${id}`, { headers: shop.basic })).body).to.nested.include({ status: 'completed', 'refunds[0].status': 'failed' });
    expect((await refund(server, shop, id, {})).body).to.include({ status: 'refunded', refund_status: 'completed' });
    expect(await queued(server.database, 'wallet.instruction')).to.not.deep.equal([]);
  });
});
