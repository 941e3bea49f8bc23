import { expect } from 'chai';
import { createHmac } from 'node:crypto';
import { onBothDatabases, onWalletService } from '../../support/databases.ts';
import { call, type ApiResponse } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { Town } from './town.ts';

const secret = 'callback-secret-of-the-crash-points';
const movements = '/internal/movements/';
const once = [['payment.request', 1], ['payment.completed', 1]];

/** Each test is named after its point in the design, where the real process kills itself with SIGKILL; the wallet service lives on. */
onBothDatabases('crash points of a wallet service', (databases) => {
  let town: Town;
  /** The keys of all movements that the service was told of, in the order in which it was. */
  const keys: string[] = [];
  before(async function () {
    this.timeout(60_000);
    town = await Town.start({ databaseUrl: await databases.createUrl(), walletUrl: await onWalletService.createUrl(), env: { TMCP_WALLET_REMOTE_WEBHOOK_SECRET: secret } });
    town.walletService!.between = (serve, req, res) => {
      if (req.method === 'PUT' && req.url?.startsWith(movements) === true) keys.push(req.url.slice(movements.length));
      serve(req, res);
    };
  });
  after(() => town?.close());
  beforeEach(() => void (keys.length = 0));
  afterEach(() => town.assertBooks());

  const statusOf = async (table: 'payment' | 'gift' | 'p2p_transfer', id: string): Promise<string> => ((await town.database.sql(table).where({ id }).pluck('status')) as [string])[0];
  /** Without `payment.sent`: whether there is one depends on how long the start takes, and it has a test of its own. */
  const toldOf = async (id: string): Promise<unknown> => (await town.told(id)).filter(([type]) => type !== 'payment.sent');
  const ends = (table: 'payment' | 'gift' | 'p2p_transfer', id: string, status: string): Promise<unknown> => eventually(async () => expect(await statusOf(table, id)).to.equal(status), { description: `${id} ends as ${status}` });

  it('before the wallet call: the payment is processing, and whoever comes back calls with the same key', async () => {
    const id = await town.payment(town.ann, 1000);
    const before = await town.balance(town.ann);
    town.server.crashAt({ 'before-call': movements });
    expect(await town.authorize(town.ann, id, 1000)().catch(() => undefined)).to.equal(undefined);
    await town.server.crashed();
    expect([await statusOf('payment', id), keys, await town.booked(id)]).to.deep.equal(['processing', [], {}]);
    await town.startAgain();
    await ends('payment', id, 'completed');
    expect([keys, await town.booked(id), before - (await town.balance(town.ann)), await toldOf(id)]).to.deep.equal([await town.instructionsOf(id), { single: 1 }, 1000, once]);
  });

  it(`wallet's reply lost: it is asked by the key, and the payment completes once`, async () => {
    const id = await town.payment(town.ann, 1100);
    const before = await town.balance(town.ann);
    town.server.crashAt({ 'after-call': movements });
    expect(await town.authorize(town.ann, id, 1100)().catch(() => undefined)).to.equal(undefined);
    await town.server.crashed();
    expect([await statusOf('payment', id), await town.booked(id)]).to.deep.equal(['processing', { single: 1 }]);
    await town.startAgain();
    await ends('payment', id, 'completed');
    const [key] = await town.instructionsOf(id);
    expect([keys, await town.booked(id), before - (await town.balance(town.ann)), await toldOf(id)]).to.deep.equal([[key, key], { single: 1 }, 1100, once]);
  });

  it('the same of a gift: the key of its request is answered with what was begun, and then with the same for ever', async () => {
    const request = town.gift(town.ann, 800, 2);
    await town.losing({ 'after-call': movements }, request);
    const [first, second] = [await request(), await request()];
    expect([first.status, first.headers.get('idempotency-replayed'), first.body.status, second.body]).to.deep.equal([200, 'true', 'processing', first.body]);
    const id = first.body.gift_id as string;
    await ends('gift', id, 'active');
    expect([new Set(keys).size, await town.booked(id), await town.told(id)]).to.deep.equal([1, { single: 1 }, [['gift', 1]]]);
  });

  it('the same of an acceptance: what was held is paid out once', async () => {
    const id = await town.transfer(town.ann, town.ben, 6000);
    expect((await town.confirm(town.ann, id, 6000)()).body.status).to.equal('pending_recipient_acceptance');
    const before = await town.balance(town.ben);
    await town.losing({ 'after-call': movements }, () => town.post(`/wallet/v1/p2p/${id}/accept`, town.ben.token));
    await ends('p2p_transfer', id, 'completed');
    expect([await town.booked(id), (await town.balance(town.ben)) - before, await town.told(id)]).to.deep.equal([{ pending: 1, post: 1 }, 6000, [['wallet.p2p', 1], ['wallet.p2p.status', 1]]]);
  });

  it('callback races poll: who died after it had taken the callback changes nothing when both come again', async () => {
    const id = await town.payment(town.ann, 1200);
    // Carried out, but this process hears nothing of it by itself.
    const { between } = town.walletService!;
    town.walletService!.between = (serve, req, res) => (req.url?.startsWith(movements) === true ? serve(req, Object.assign(res, { end: () => res.socket?.destroy() })) : serve(req, res));
    expect((await town.authorize(town.ann, id, 1200)()).body.status).to.equal('processing');
    const [key] = await town.instructionsOf(id);
    const [txnId] = (await town.bank.sql('service_movement').where({ key }).pluck('txn_id')) as string[];
    const body = JSON.stringify({ event: 'payment.completed', key, transaction_id: txnId, amount: 12, currency: 'USD' });
    const callback = (): Promise<ApiResponse> => call(town.server.process.url, 'POST', '/api/v1/wallet/callback', { body, headers: { 'content-type': 'application/json', authorization: `HMAC-SHA256 ${createHmac('sha256', secret).update(body).digest('hex')}` } });
    await town.losing({ 'before-reply': '/api/v1/wallet/callback' }, callback);
    expect(await statusOf('payment', id)).to.equal('completed');
    town.walletService!.between = between;
    const again = await callback();
    expect([again.status, again.body.idempotent, again.body.transaction_id]).to.deep.equal([200, true, txnId]);
    await eventually(async () => expect(await town.database.sql('job').where({ kind: 'wallet.instruction', state: 'queued' }).pluck('id')).to.deep.equal([]), { description: 'the poll has come too' });
    expect([await town.booked(id), await toldOf(id)]).to.deep.equal([{ single: 1 }, once]);
  });
});
