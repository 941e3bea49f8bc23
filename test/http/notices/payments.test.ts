import { expect } from 'chai';
import { call } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { openEvents, type EventStream } from '../../support/event-stream.ts';
import { eventually } from '../../support/eventually.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { act, asked, authorize, newPayer, newShop, paid, refund, runJob, type Payer, type Shop } from '../payments/support.ts';

onBothDatabases('live notices of payments', (databases) => {
  let server: WholeServer;
  let shop: Shop;
  let rival: Shop;
  let ann: Payer;
  let ben: Payer;
  const open: EventStream[] = [];
  before(async () => {
    server = await startWholeServer(databases, { TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false', TMCP_MFA_REQUIRE_FOR_NEW_DEVICE: 'false' });
    [shop, rival] = [await newShop(server, 'ma_shop'), await newShop(server, 'ma_rival')];
    [ann, ben] = [await newPayer(server, shop, 'ann'), await newPayer(server, shop, 'ben')];
  });
  afterEach(() => {
    for (const stream of open.splice(0)) stream.close();
  });
  after(() => server.close());

  const opened = async (stream: EventStream): Promise<EventStream> => {
    expect(stream.status, JSON.stringify(stream.body)).to.equal(200);
    open.push(stream);
    expect((await stream.next()).event).to.equal('ready');
    return stream;
  };
  const listen = async (token: string, lastEventId?: number): Promise<EventStream> => opened(await openEvents(server.url, token, lastEventId === undefined ? {} : { lastEventId }));
  const listenAs = async ({ basic }: Shop, lastEventId?: number): Promise<EventStream> => opened(await openEvents(server.url, undefined, { headers: basic, ...(lastEventId === undefined ? {} : { lastEventId }) }));
  /** The next ones, as a receiver reads them. */
  const heard = async (stream: EventStream, count: number): Promise<[string, string, string][]> => {
    const told: [string, string, string][] = [];
    for (let n = 0; n < count; n += 1) {
      const { event, data } = await stream.next();
      expect(event).to.equal('payment.updated');
      told.push([data.payment_id as string, data.status as string, data.role as string]);
    }
    return told;
  };
  const clientToken = async ({ basic }: Shop): Promise<string> => {
    const response = await fetch(`${server.url}/oauth2/token`, { method: 'POST', headers: basic, body: new URLSearchParams({ grant_type: 'client_credentials' }) });
    return ((await response.json()) as { access_token: string }).access_token;
  };

  it("reach the payer's host client, the payer's sessions of the app, and the app's own server; nobody else", async () => {
    const [host, app, secret, token] = [await listen(ann.token), await listen(ann.appToken), await listenAs(shop), await listen(await clientToken(shop))];
    const [bens, bensApp, others] = [await listen(ben.token), await listen(ben.appToken), await listenAs(rival)];
    const id = await paid(server, ann, 10, { merchant_order_id: 'order-7' });
    await refund(server, shop, id, { amount: 4 });
    await refund(server, shop, id);
    const steps = ['pending_authorization', 'completed', 'partially_refunded', 'refunded'];
    for (const stream of [host, app]) expect(await heard(stream, 4)).to.deep.equal(steps.map((status) => [id, status, 'payer']));
    for (const stream of [secret, token]) expect(await heard(stream, 4)).to.deep.equal(steps.map((status) => [id, status, 'merchant']));
    const bens2 = await paid(server, ben, 5);
    expect(await heard(bens, 2)).to.deep.equal(['pending_authorization', 'completed'].map((status) => [bens2, status, 'payer']));
    expect(await heard(bensApp, 2)).to.deep.equal(['pending_authorization', 'completed'].map((status) => [bens2, status, 'payer']));
    expect((await heard(secret, 2)).map(([payment]) => payment), 'whoever pays').to.deep.equal([bens2, bens2]);
    expect([others.unread, host.unread, app.unread]).to.deep.equal([[], [], []]);
  });

  it('say how much, for which order, and to the merchant who pays', async () => {
    const [host, merchant] = [await listen(ann.token), await listenAs(shop)];
    const id = await asked(server, ann, { amount: 12.5, merchant_order_id: 'order-8' });
    const common = { kind: 'payment.updated', payment_id: id, miniapp_id: 'ma_shop', status: 'pending_authorization', amount: 12.5, currency: 'USD', merchant_order_id: 'order-8' };
    const [payers, merchants] = [(await host.next()).data, (await merchant.next()).data];
    for (const data of [payers, merchants]) expect(Number.isNaN(Date.parse(data.at as string))).to.equal(false);
    expect(payers).to.deep.equal({ ...common, role: 'payer', at: payers.at });
    expect(merchants).to.deep.equal({ ...common, role: 'merchant', user_id: ann.userId, at: merchants.at });
    expect((await authorize(server, ann, id, 1250)).status).to.equal(200);
  });

  it('tell how a payment ended that was not made', async () => {
    const merchant = await listenAs(shop);
    const cat = await newPayer(server, shop, 'cat', { amount: '1.00' });
    const [cancelled, poor, expired] = [await asked(server, ann), await asked(server, cat), await asked(server, ann)];
    await act(server, ann.appToken, cancelled, 'cancel');
    expect((await authorize(server, cat, poor, 1000)).status).to.equal(402);
    server.clock.advance(300_000);
    await runJob(server, 'payment.expire', expired);
    expect((await heard(merchant, 6)).slice(3).map(([id, status]) => [id, status])).to.deep.equal([[cancelled, 'cancelled'], [poor, 'failed'], [expired, 'expired']]);
  });

  it('resume behind what was last heard, for the app and for its server', async () => {
    const [app, merchant] = [await listen(ann.appToken), await listenAs(shop)];
    const first = await asked(server, ann);
    const seen = [await app.next(), await merchant.next()];
    expect(seen.map(({ data }) => data.payment_id as string)).to.deep.equal([first, first]);
    for (const stream of open.splice(0)) stream.close();
    const missed = [await asked(server, ann), await asked(server, ann)];
    const again = [await listen(ann.appToken, seen[0]!.id), await listenAs(shop, seen[1]!.id)];
    for (const stream of again) expect((await heard(stream, 2)).map(([id]) => id)).to.deep.equal(missed);
  });

  it('let in neither a wrong secret nor one that is good no more, and end with the secret', async () => {
    expect((await openEvents(server.url, undefined, { headers: { authorization: `Basic ${Buffer.from(`${shop.clientId}:wrong`).toString('base64')}` } })).status).to.equal(401);
    const stream = await listenAs(rival);
    await call(server.url, 'POST', `/admin/v1/mini-apps/${rival.id}/suspend`, { token: server.adminToken, body: { reason: 'fraud' } });
    server.clock.advance(1000);
    expect((await stream.next()).data).to.deep.equal({ reason: 'session_over' });
    await stream.ended;
    await eventually(async () => expect((await openEvents(server.url, undefined, { headers: rival.basic })).status).to.equal(401), { description: 'the secret opens nothing any more' });
  });
});
