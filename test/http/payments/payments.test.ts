import { expect } from 'chai';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { asMiniAppId } from '../../../src/kernel/ids.ts';
import { asCurrency } from '../../../src/kernel/money.ts';
import { auditPayments } from '../../../src/payments/index.ts';
import { createWallet } from '../../../src/wallet/index.ts';
import { call, exchange } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { administration, auditOf, person, room, textOf } from '../wallet/support.ts';
import { act, appToken, ask, asked, asMerchant, auditActions, authorize, balanceOf, deliveriesOf, error, eventsOf, newKey, newPayer, newShop, paid, refund, runJob, signatureOver, type EventJob, type Payer, type Shop, onTheWay } from './support.ts';

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));
const minute = 60_000;

onEveryWallet('payments to mini-apps', (databases) => {
  let server: WholeServer;
  let shop: Shop;
  let other: Shop;
  let alice: Payer;
  let mallory: Payer;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false', TMCP_MFA_LOWERED_LIMITS_PERCENT: '100', TMCP_MFA_REQUIRE_OVER: 'USD:100000' });
    shop = await newShop(server, 'ma_shop');
    other = await newShop(server, 'ma_other');
    for (const name of ['chat', 'elsewhere']) room(server, name, [{ userId: '@alice:example.org' as never }]);
    alice = await newPayer(server, shop, 'alice', { amount: '5000', context: { room_id: '!chat:example.org' } });
    mallory = await newPayer(server, shop, 'mallory');
  });
  afterEach(async () => {
    expect([...(await auditOf(server)), ...(await auditPayments(server.database))]).to.deep.equal([]);
    for (const { event } of await queued<EventJob>(server.database, 'matrix.event')) {
      if (event.type.startsWith('m.tween.payment')) expect(checkContent(event.type, { ...event.content, delivery_id: 'job_x' }), event.type).to.deep.equal([]);
    }
  });
  after(() => server.close());

  const statusOf = async (id: string): Promise<string> => (await asMerchant(server, shop, 'GET', `/${id}`)).body.status as string;
  const merchantFunds = async (id = shop.id): Promise<number> => {
    const row = await server.bank.sql('ledger_account').where({ kind: 'merchant', owner: id, currency: 'USD' }).first<{ cr_posted: number; dr_posted: number } | undefined>();
    return row === undefined ? 0 : row.cr_posted - row.dr_posted;
  };

  describe('go from the request to the money', () => {
    it('with events, webhooks and an audit trail', async () => {
      const [before, funds] = [await balanceOf(alice), await merchantFunds()];
      const request = await ask(server, alice.appToken, { amount: 150.5, merchant_order_id: 'ORDER-1', items: [{ item_id: 'prod_123', name: 'Product', quantity: 2, unit_price: 75.25 }], callback_url: 'https://shop.example/hooks/payment', room_id: '!chat:example.org' });
      expect(request.status, JSON.stringify(request.body)).to.equal(200);
      expect(request.body).to.deep.include({ status: 'pending_authorization', amount: 150.5, currency: 'USD', merchant: { miniapp_id: 'ma_shop', name: 'Shopping Assistant', wallet_id: 'tw_ma_shop' }, authorization_required: true, payer: { user_id: alice.userId } });
      expect(Date.parse(request.body.expires_at as string) - Date.parse(request.body.created_at as string)).to.equal(5 * minute);
      const id = request.body.payment_id as string;
      expect([await balanceOf(alice), await merchantFunds()]).to.deep.equal([before, funds]);

      const done = await authorize(server, alice, id, 15_050);
      expect(done.body, JSON.stringify(done.body)).to.deep.include({ payment_id: id, status: 'completed', amount: 150.5, authorization_required: false });
      expect(done.body.payer.wallet_id).to.match(/^tw_/);
      expect(done.body.txn_id).to.match(/^txn_/);
      expect([await balanceOf(alice), await merchantFunds()]).to.deep.equal([before - 150.5, funds + 15_050]);
      expect((await alice.get('/wallet/v1/transactions')).body.transactions[0]).to.deep.include({ type: 'payment_sent', reference: id, status: 'completed' });

      const events = await eventsOf(server, id);
      expect(events.map(({ type, place, speaker, remember, relatesTo }) => [type, place, speaker, remember, relatesTo])).to.deep.equal([
        ['m.tween.payment.request', { room: '!chat:example.org' }, 'payments', id, undefined],
        ['m.tween.payment.completed', { room: '!chat:example.org' }, 'payments', undefined, id],
      ]);
      expect(events[1]!.content).to.deep.include({ amount: '150.50', amount_minor: 15_050, currency: 'USD', sender: { user_id: alice.userId }, recipient: { miniapp_id: 'ma_shop', name: 'Shopping Assistant' }, note: 'Order #12345', payment_type: 'completed', txn_id: done.body.txn_id });
      const deliveries = await deliveriesOf(server, id);
      expect(deliveries.map(({ event, url }) => [event, url])).to.have.deep.members([['payment.completed', 'https://shop.example/hooks/payment'], ['payment.completed', null]]);
      expect(deliveries[0]!.data).to.deep.include({ amount: 150.5, currency: 'USD', user_id: alice.userId, miniapp_id: 'ma_shop', metadata: { order_id: 'ORDER-1', description: 'Order #12345' } });
      expect(await auditActions(server, id)).to.deep.equal(['payment.requested', ...onTheWay(databases), 'payment.completed']);
      expect(await server.app.metrics.registry.metrics()).to.match(/^tmcp_payments_total\{state="completed"\} [1-9]/m);
      // Of the two, the log of deliveries names the one that does not go where all go.
      const log = (await call(server.url, 'GET', `/mini-apps/v1/${shop.id}/webhooks/deliveries`, { token: server.adminToken })).body.deliveries as { event: string; url?: string }[];
      expect(log.filter(({ event }) => event === 'payment.completed').map(({ url }) => url)).to.have.members(['https://shop.example/hooks/payment', undefined]);
    });

    it('told in the notice room of the payer when no room was named', async () => {
      const id = await paid(server, alice, 3);
      expect((await eventsOf(server, id)).map(({ place }) => place)).to.deep.equal([{ noticesOf: alice.userId }, { noticesOf: alice.userId }]);
    });

    // Amounts whose digits are in no id and in no time.
    it('saying neither how much nor what for in an encrypted room', async () => {
      room(server, 'secret', [mallory], { encrypted: true });
      const token = await exchange(server.url, mallory.matrixToken, { client_id: shop.id, scope: 'wallet:pay', miniapp_context: JSON.stringify({ room_id: '!secret:example.org' }) });
      const { body } = await ask(server, token.body.access_token as string, { amount: 98.1, room_id: '!secret:example.org', description: 'a surprise', merchant_order_id: 'ORDER-98' });
      expect((await authorize(server, mallory, body.payment_id as string, 9810, mallory.token)).status).to.equal(200);
      expect((await refund(server, shop, body.payment_id as string, { amount: 97.31 })).status).to.equal(200);
      const events = await eventsOf(server, body.payment_id as string);
      expect(events.map(({ type }) => type)).to.deep.equal(['m.tween.payment.request', 'm.tween.payment.completed', 'm.tween.payment.refunded']);
      expect(JSON.stringify(events)).not.to.match(/9810|98\.1|9731|97\.31|USD|surprise|ORDER-98/);
      mallory = { ...mallory, appToken: await appToken(server, mallory, shop) };
    });

    it('authorized by the host client as well as by the app', async () => {
      const id = await asked(server, alice);
      expect((await authorize(server, alice, id, 1000, alice.token)).body.status).to.equal('completed');
    });

    it('in currencies with other decimals', async () => {
      await administration(server).credit(alice.userId, { amountMinor: 50_000, currency: asCurrency('JPY') }, 'Yen');
      const id = await asked(server, alice, { amount: 1234, currency: 'JPY' });
      const answer = await act(server, alice.token, id, 'authorize', signatureOver(server, alice, id, 1234, { currency: 'JPY' }));
      expect([answer.status, answer.body.status]).to.deep.equal([200, 'completed']);
      expect(await textOf(server, alice, `/api/v1/payments/${id}`)).to.contain('"amount":1234,');
    });
  });

  describe('are requested with terms that hold', () => {
    const refused: readonly (readonly [string, object, number, string])[] = [
      ['too many decimals', { amount: 1.001 }, 400, 'INVALID_AMOUNT'],
      ['nothing', { amount: 0 }, 400, 'INVALID_AMOUNT'],
      ['less than nothing', { amount: -5 }, 400, 'INVALID_AMOUNT'],
      ['an unknown currency', { currency: 'XXY' }, 400, 'INVALID_REQUEST'],
      ['items that sum to something else', { items: [{ name: 'a', quantity: 3, unit_price: 3 }] }, 400, 'INVALID_REQUEST'],
      ['an item price with too many decimals', { items: [{ name: 'a', quantity: 1, unit_price: '10.001' }] }, 400, 'INVALID_AMOUNT'],
      ['a callback without TLS', { callback_url: 'http://shop.example/hook' }, 400, 'INVALID_REQUEST'],
      ['a callback of another origin', { callback_url: 'https://evil.example/hook' }, 400, 'INVALID_REQUEST'],
      ['a callback on another port', { callback_url: 'https://shop.example:8443/hook' }, 400, 'INVALID_REQUEST'],
      ['a callback with credentials', { callback_url: 'https://shop.example@evil.example/' }, 400, 'INVALID_REQUEST'],
      ['a room in which the app was not launched', { room_id: '!elsewhere:example.org' }, 403, 'ROOM_NOT_ALLOWED'],
      ['no key', { idempotency_key: undefined }, 400, 'INVALID_REQUEST'],
      ['an unknown field', { merchant: 'ma_other' }, 400, 'INVALID_REQUEST'],
    ];
    for (const [what, fields, status, code] of refused) {
      it(`not with ${what}`, async () => {
        expect(error(await ask(server, alice.appToken, fields))).to.deep.equal([status, code]);
      });
    }

    it('not in a room that the payer left', async () => {
      server.identity.rooms.get('!chat:example.org')!.members.delete(alice.userId);
      server.clock.advance(6 * minute);
      expect(error(await ask(server, alice.appToken, { room_id: '!chat:example.org' }))).to.deep.equal([403, 'ROOM_NOT_ALLOWED']);
      server.identity.rooms.get('!chat:example.org')!.members.add(alice.userId);
    });

    it('once for each key, byte for byte', async () => {
      const fields = { idempotency_key: newKey(), items: [{ name: 'a', quantity: 2, unit_price: '5.00' }] };
      const [first, second] = [await ask(server, alice.appToken, fields), await ask(server, alice.appToken, fields)];
      expect(second.body).to.deep.equal(first.body);
      expect([first.headers.get('idempotency-replayed'), second.headers.get('idempotency-replayed')]).to.deep.equal([null, 'true']);
      expect(error(await ask(server, alice.appToken, { ...fields, items: [{ name: 'b', quantity: 2, unit_price: 5 }] }))).to.deep.equal([409, 'DUPLICATE_TRANSACTION']);
      const theirs = await ask(server, mallory.appToken, fields);
      expect(theirs.body.payment_id).not.to.equal(first.body.payment_id);
      const race = { idempotency_key: newKey() };
      const ids = (await Promise.all([1, 2, 3].map(() => ask(server, alice.appToken, race)))).filter(({ status }) => status === 200).map(({ body }) => body.payment_id as string);
      expect(new Set(ids).size).to.equal(1);
    });

    it('by the app that is to be paid, with a scope for money', async () => {
      expect(error(await ask(server, alice.token))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      const poor = (await exchange(server.url, mallory.matrixToken, { client_id: shop.id, scope: 'storage:read' })).body.access_token as string;
      expect(error(await ask(server, poor))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      mallory = { ...mallory, appToken: await appToken(server, mallory, shop) };
      expect(error(await call(server.url, 'POST', '/api/v1/payments/request', { headers: shop.basic, body: { amount: 1, currency: 'USD', idempotency_key: newKey() } }))).to.deep.equal([401, 'INVALID_TOKEN']);
      expect(error(await call(server.url, 'POST', '/api/v1/payments/request', { body: {} }))).to.deep.equal([401, 'INVALID_TOKEN']);
    });
  });

  describe('are nobody else’s business', () => {
    let id: string;
    let unknown: [number, string | undefined];
    const denied = async (token: string, path = id): Promise<(readonly [string, number, string | undefined])[]> => {
      const calls: readonly (readonly [string, object])[] = [['authorize', signatureOver(server, mallory, path, 1000)], ['mfa/challenge', {}], ['mfa/verify', { challenge_id: 'mfa_ch_x', method: 'pin', credentials: '739164' }], ['cancel', {}]];
      const results = await Promise.all(calls.map(async ([what, body]) => [what, ...error(await act(server, token, path, what, body))] as const));
      return [...results, ['get', ...error(await call(server.url, 'GET', `/api/v1/payments/${path}`, { token }))]];
    };
    before(async () => {
      id = await asked(server, alice);
      unknown = [404, 'PAYMENT_NOT_FOUND'];
    });
    const all404 = ['authorize', 'mfa/challenge', 'mfa/verify', 'cancel', 'get'].map((what) => [what, 404, 'PAYMENT_NOT_FOUND']);

    it('not another user’s, through the same app or the host client', async () => {
      expect(await denied(mallory.appToken)).to.deep.equal(all404);
      expect(await denied(mallory.token)).to.deep.equal(all404);
      expect(await denied(mallory.token, 'pay_none')).to.deep.equal(all404);
    });

    it('not another app’s, of the same user or by its server', async () => {
      const bob = await newPayer(server, shop, 'bob');
      const theirs = await asked(server, bob);
      // Agreeing needs a proof now that there is a factor.
      const carol = await person(server, 'carol');
      const carolAtOther = await appToken(server, carol, other);
      const carols = await ask(server, await appToken(server, carol, shop));
      expect(await denied(carolAtOther, carols.body.payment_id as string)).to.deep.equal(all404);
      expect(error(await asMerchant(server, other, 'GET', `/${theirs}`))).to.deep.equal(unknown);
      expect(error(await refund(server, other, theirs))).to.deep.equal(unknown);
      expect(error(await refund(server, other, 'pay_none'))).to.deep.equal(unknown);
      expect((await asMerchant(server, other, 'GET', '')).body.payments).to.deep.equal([]);
      expect(error(await asMerchant(server, other, 'GET', `?before=${theirs}`))).to.deep.equal([400, 'INVALID_REQUEST']);
    });

    it('not without a scope, nor with a token that was revoked', async () => {
      const weak = (await exchange(server.url, alice.matrixToken, { audience: 'tmcp_wallet', scope: 'wallet:balance' })).body.access_token as string;
      expect((await denied(weak)).map(([, status, code]) => [status, code])).to.deep.equal(Array.from({ length: 5 }, () => [403, 'INSUFFICIENT_PERMISSIONS']));
      const dora = await newPayer(server, shop, 'dora');
      const doras = await asked(server, dora);
      await call(server.url, 'POST', '/api/v1/auth/revoke', { token: dora.matrixToken, body: { miniapp_id: shop.id } });
      expect((await denied(dora.appToken, doras)).map(([, status, code]) => [status, code])).to.deep.equal(Array.from({ length: 5 }, () => [401, 'INVALID_TOKEN']));
      expect(error(await ask(server, dora.appToken))).to.deep.equal([401, 'INVALID_TOKEN']);
    });

    it('while the payer and the merchant read it, and nothing more', async () => {
      expect((await call(server.url, 'GET', `/api/v1/payments/${id}`, { token: alice.appToken })).body).to.include({ payment_id: id, status: 'pending_authorization' });
      expect((await asMerchant(server, shop, 'GET', `/${id}`)).body).to.include({ payment_id: id, amount: 10, currency: 'USD' });
      expect(error(await call(server.url, 'POST', `/api/v1/payments/${id}/authorize`, { headers: shop.basic, body: {} }))).to.deep.equal([401, 'INVALID_TOKEN']);
    });
  });

  describe('are authorized by the payer’s own hand (decisions D6, D20)', () => {
    it('not through a session that the app’s server opened with its secret', async () => {
      const id = await asked(server, alice);
      const { body } = await exchange(server.url, alice.matrixToken, { client_id: shop.clientId, client_secret: shop.secret, scope: 'wallet:pay' });
      const token = body.access_token as string;
      expect((await call(server.url, 'GET', `/api/v1/payments/${id}`, { token })).status).to.equal(200);
      for (const [what, fields] of [['authorize', signatureOver(server, alice, id, 1000)], ['mfa/challenge', {}], ['mfa/verify', { challenge_id: 'x', method: 'pin', credentials: '739164' }]] as const) {
        expect(error(await act(server, token, id, what, fields)), what).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      }
      expect(await statusOf(id)).to.equal('pending_authorization');
      expect((await act(server, token, id, 'cancel')).body.status).to.equal('cancelled');
    });

    it('over the stored amount, in one of two spellings', async () => {
      for (const [amount, code] of [['10', undefined], ['10.00', undefined], ['10.0', 'INVALID_SIGNATURE'], ['1000', 'INVALID_SIGNATURE'], ['10.01', 'INVALID_SIGNATURE']] as const) {
        const id = await asked(server, alice);
        const answer = await act(server, alice.token, id, 'authorize', signatureOver(server, alice, id, 1000, { amount }));
        expect(error(answer), amount).to.deep.equal(code === undefined ? [200, undefined] : [401, code]);
        if (code === undefined) continue;
        // A right one sets the counter of attempts back.
        expect((await authorize(server, alice, id, 1000)).status).to.equal(200);
      }
    });

    it('not with another payment’s signature, one that was used, or one of another time', async () => {
      const [first, second] = [await asked(server, alice), await asked(server, alice)];
      const good = signatureOver(server, alice, first, 1000);
      expect(error(await act(server, alice.token, second, 'authorize', good))).to.deep.equal([401, 'INVALID_SIGNATURE']);
      const spent = async (): Promise<number> => (await server.database.sql('mfa_spent_signature').select('hash')).length;
      const before = await spent();
      expect((await act(server, alice.token, first, 'authorize', good)).status).to.equal(200);
      expect(await spent()).to.equal(before + 1);
      expect(error(await act(server, alice.token, first, 'authorize', good))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      for (const offMs of [-6 * minute, 6 * minute]) expect(error(await act(server, alice.token, second, 'authorize', signatureOver(server, alice, second, 1000, { offMs })))).to.deep.equal([401, 'INVALID_SIGNATURE']);
      expect((await authorize(server, alice, second, 1000)).status).to.equal(200);
    });

    it('not with another user’s device', async () => {
      const id = await asked(server, alice);
      const forged = signatureOver(server, { key: mallory.key, deviceId: alice.deviceId }, id, 1000);
      expect(error(await act(server, alice.token, id, 'authorize', forged))).to.deep.equal([401, 'INVALID_SIGNATURE']);
      const unregistered = await act(server, alice.token, id, 'authorize', signatureOver(server, mallory, id, 1000));
      expect([unregistered.status, unregistered.body.status, unregistered.body.error.code]).to.deep.equal([402, 'mfa_required', 'MFA_REQUIRED']);
      expect((await authorize(server, alice, id, 1000)).status).to.equal(200);
    });

    it('with all or none of the signature’s fields', async () => {
      const id = await asked(server, alice);
      expect(error(await act(server, alice.token, id, 'authorize', { signature: 'x'.repeat(60) }))).to.deep.equal([400, 'INVALID_REQUEST']);
      expect(error(await act(server, alice.token, id, 'authorize', { ...signatureOver(server, alice, id, 1000), timestamp: 'now' }))).to.deep.equal([400, 'INVALID_REQUEST']);
    });
  });

  describe('fail for good when the wallet refuses', () => {
    const fails = async (payer: Payer, amount: number, status: number, code: string): Promise<void> => {
      const id = await asked(server, payer, { amount });
      const answer = await authorize(server, payer, id, amount * 100);
      expect(error(answer), JSON.stringify(answer.body)).to.deep.equal([status, code]);
      expect(answer.body.error.details).to.have.all.keys('payment_id', 'status', 'failed_at');
      expect((await asMerchant(server, shop, 'GET', `/${id}`)).body).to.include({ status: 'failed', error_code: code });
      expect((await eventsOf(server, id)).map(({ type }) => type)).to.deep.equal(['m.tween.payment.request', 'm.tween.payment.failed']);
      expect((await deliveriesOf(server, id)).map(({ event, data }) => [event, data.error_code])).to.deep.equal([['payment.failed', code]]);
      expect(error(await authorize(server, payer, id, amount * 100))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    };

    it('for want of funds', async () => fails(await newPayer(server, shop, 'poor', { amount: '5.00' }), 6, 402, 'INSUFFICIENT_FUNDS'));
    it('for the limits of the wallet', async () => {
      const rich = await newPayer(server, shop, 'rich', { amount: '99000' });
      await fails(rich, 99_000, 400, 'AMOUNT_EXCEEDS_LIMIT');
    });
    it('for a wallet that is frozen or not activated', async () => {
      const frozen = await newPayer(server, shop, 'frozen');
      await administration(server).freeze(frozen.userId, 'case 17');
      await fails(frozen, 5, 403, 'USER_SUSPENDED');
      const idle = await newPayer(server, shop, 'idle');
      await server.bank.sql('wallet').where({ user_id: idle.userId }).update({ activated_at: null, level: 0 });
      await fails(idle, 5, 403, 'P2P_SEND_NOT_ALLOWED');
    });
  });

  describe('end otherwise', () => {
    it('cancelled by the payer, once', async () => {
      const id = await asked(server, alice);
      expect((await act(server, alice.appToken, id, 'cancel', { reason: 'changed my mind' })).body).to.include({ status: 'cancelled', authorization_required: false });
      expect((await eventsOf(server, id)).at(-1)!.type).to.equal('m.tween.payment.cancelled');
      expect((await deliveriesOf(server, id)).map(({ event }) => event)).to.deep.equal(['payment.cancelled']);
      expect(error(await act(server, alice.appToken, id, 'cancel'))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      expect(error(await authorize(server, alice, id, 1000))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      expect(error(await refund(server, shop, id))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    });

    it('expired after five minutes, whether or not the job has run', async () => {
      const [id, made] = [await asked(server, alice), await paid(server, alice, 2)];
      await runJob(server, 'payment.expire', id);
      expect(await statusOf(id)).to.equal('pending_authorization');
      server.clock.advance(5 * minute + 1000);
      expect(error(await authorize(server, alice, id, 1000))).to.deep.equal([400, 'PAYMENT_EXPIRED']);
      expect(error(await act(server, alice.appToken, id, 'cancel'))).to.deep.equal([400, 'PAYMENT_EXPIRED']);
      for (const one of [id, id, made]) await runJob(server, 'payment.expire', one);
      expect([await statusOf(id), await statusOf(made)]).to.deep.equal(['expired', 'completed']);
      expect((await eventsOf(server, id)).map(({ type }) => type)).to.deep.equal(['m.tween.payment.request', 'm.tween.payment.expired']);
      expect((await deliveriesOf(server, id)).map(({ event }) => event)).to.deep.equal(['payment.expired']);
      expect(error(await authorize(server, alice, id, 1000))).to.deep.equal([400, 'PAYMENT_EXPIRED']);
    });
  });

  describe('go back', () => {
    it('in parts, up to what was paid, each once', async () => {
      const before = await balanceOf(alice);
      const id = await paid(server, alice, 100);
      const key = newKey();
      const first = await refund(server, shop, id, { amount: 30.25, reason: 'customer_request', notes: 'User requested refund', idempotency_key: key });
      expect(first.body, JSON.stringify(first.body)).to.deep.include({ payment_id: id, status: 'partially_refunded', amount: 30.25, refunded_amount: 30.25, refundable_amount: 69.75, reason: 'customer_request' });
      const replay = await refund(server, shop, id, { amount: 30.25, reason: 'customer_request', notes: 'User requested refund', idempotency_key: key });
      expect([replay.body, replay.headers.get('idempotency-replayed')]).to.deep.equal([first.body, 'true']);
      expect(error(await refund(server, shop, id, { amount: 31, idempotency_key: key }))).to.deep.equal([409, 'DUPLICATE_TRANSACTION']);
      const tooMuch = await refund(server, shop, id, { amount: 69.76 });
      expect(error(tooMuch)).to.deep.equal([400, 'INVALID_AMOUNT']);
      expect(tooMuch.body.error.details).to.deep.include({ field: 'amount', refundable_amount: 69.75 });
      expect(error(await refund(server, shop, id, { amount: 1.001 }))).to.deep.equal([400, 'INVALID_AMOUNT']);
      const rest = await refund(server, shop, id);
      expect(rest.body).to.deep.include({ status: 'refunded', amount: 69.75, refunded_amount: 100, refundable_amount: 0 });
      expect(error(await refund(server, shop, id))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      expect(await balanceOf(alice)).to.equal(before);

      const { body } = await asMerchant(server, shop, 'GET', `/${id}`);
      expect(body).to.deep.include({ status: 'refunded', refunded_amount: 100 });
      expect((body.refunds as { amount: number }[]).map(({ amount }) => amount)).to.deep.equal([30.25, 69.75]);
      expect((await eventsOf(server, id)).slice(2).map(({ type, content, relatesTo }) => [type, content.amount, relatesTo])).to.deep.equal([['m.tween.payment.refunded', '30.25', id], ['m.tween.payment.refunded', '69.75', id]]);
      const told = (await deliveriesOf(server, id)).filter(({ event }) => event === 'payment.refunded').map(({ data }) => [data.amount, data.refunded_amount]);
      expect(told).to.have.deep.members([[30.25, 30.25], [69.75, 100]]);
      expect((await alice.get('/wallet/v1/transactions')).body.transactions[0]).to.deep.include({ type: 'refund_received', reference: id });
    });

    it('never more than was paid, however many ask at once', async () => {
      const id = await paid(server, alice, 10);
      const answers = await Promise.all(Array.from({ length: 6 }, () => refund(server, shop, id, { amount: 4 })));
      expect(answers.filter(({ status }) => status === 200)).to.have.length(2);
      expect((await asMerchant(server, shop, 'GET', `/${id}`)).body).to.deep.include({ status: 'partially_refunded', refunded_amount: 8 });
    });

    it('only by the merchant’s server or an administrator', async () => {
      const id = await paid(server, alice, 5);
      for (const token of [alice.appToken, alice.token]) expect(error(await act(server, token, id, 'refund', { idempotency_key: newKey() }))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      const clientToken = async (scope: string): Promise<string> => {
        const answer = await fetch(`${server.url}/oauth2/token`, { method: 'POST', headers: shop.basic, body: new URLSearchParams({ grant_type: 'client_credentials', scope }) });
        return ((await answer.json()) as { access_token: string }).access_token;
      };
      expect(error(await act(server, await clientToken('storage:read'), id, 'refund', { idempotency_key: newKey() }))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      expect(error(await act(server, 'tep.nonsense', id, 'refund', { idempotency_key: newKey() }))).to.deep.equal([401, 'INVALID_TOKEN']);
      expect(error(await call(server.url, 'POST', `/api/v1/payments/${id}/refund`, { headers: { authorization: `Basic ${Buffer.from(`${shop.clientId}:wrong`).toString('base64')}` }, body: { idempotency_key: newKey() } })).at(0)).to.equal(401);
      expect((await refund(server, shop, id, { amount: 2 })).status).to.equal(200);
      expect((await act(server, server.adminToken, id, 'refund', { idempotency_key: newKey() })).body).to.include({ status: 'refunded', amount: 3 });
    });

    it('not when the merchant has spent the money', async () => {
      const spender = await newShop(server, 'ma_spender');
      const payer = await newPayer(server, spender, 'customer');
      const id = await paid(server, payer, 20);
      const limits = { transaction: 1e9, daily: 1e9, monthly: 1e9 };
      const wallet = createWallet({ database: server.bank, clock: server.clock, levels: [limits, limits, limits], defaultCurrency: asCurrency('USD') });
      await server.bank.inTransaction((tx) => wallet.transfer(tx, { from: { miniapp: asMiniAppId(spender.id) }, to: { outside: true }, amountMinor: 1500, currency: asCurrency('USD'), code: 'deposit', ref: 'payout' }));
      const answer = await refund(server, spender, id);
      expect(error(answer)).to.deep.equal([402, 'INSUFFICIENT_FUNDS']);
      expect(answer.body.error.message).to.match(/mini-app's wallet/);
      expect((await refund(server, spender, id, { amount: 5 })).body.status).to.equal('partially_refunded');
    });

    it('and no longer count towards the limits of the day of the payment', async () => {
      const payer = await newPayer(server, shop, 'frugal');
      const used = async (): Promise<number> => (await payer.get('/wallet/v1/balance')).body.limits.daily_used as number;
      const id = await paid(server, payer, 50);
      expect(await used()).to.equal(50);
      await refund(server, shop, id, { amount: 20 });
      expect(await used()).to.equal(30);
    });
  });

  it('are listed for their merchant, page by page', async () => {
    const store = await newShop(server, 'ma_listing');
    const payer = await newPayer(server, store, 'lister');
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.unshift(await asked(server, payer, { merchant_order_id: n === 3 ? 'ORDER-3' : 'ORDER-X' }));
    const seen: string[] = [];
    for (let before: string | undefined; ; ) {
      const { body } = await asMerchant(server, store, 'GET', `?limit=2${before === undefined ? '' : `&before=${before}`}`);
      seen.push(...(body.payments as { payment_id: string }[]).map(({ payment_id: id }) => id));
      before = body.next_before as string | undefined;
      if (before === undefined) break;
    }
    expect(seen).to.have.members(ids).and.to.have.length(5);
    expect((await asMerchant(server, store, 'GET', '?merchant_order_id=ORDER-3')).body.payments).to.have.length(1);
    expect((await asMerchant(server, store, 'GET', '?status=completed')).body.payments).to.deep.equal([]);
    expect(error(await call(server.url, 'GET', '/api/v1/payments', { token: payer.appToken }))).to.deep.equal([401, 'INVALID_TOKEN']);
  });

  it('stop when the app is suspended', async () => {
    const doomed = await newShop(server, 'ma_doomed');
    const payer = await newPayer(server, doomed, 'late');
    const id = await asked(server, payer);
    await call(server.url, 'POST', `/admin/v1/mini-apps/${doomed.id}/suspend`, { token: server.adminToken, body: { reason: 'Complaints' } });
    expect(error(await authorize(server, payer, id, 1000, payer.token))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    expect(error(await ask(server, payer.appToken))).to.deep.equal([401, 'INVALID_TOKEN']);
    expect(await balanceOf(payer)).to.equal(1000);
  });
});
