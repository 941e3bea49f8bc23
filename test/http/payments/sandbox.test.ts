import { expect } from 'chai';
import { auditPayments } from '../../../src/payments/index.ts';
import { call } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { signIn, startPlatform } from '../developers/support.ts';
import { auditOf } from '../wallet/support.ts';
import { act, appToken, ask, asked, asMerchant, authorize, balanceOf, deliveriesOf, error, eventsOf, newPayer, newShop, refund, runJob, type Payer, type Shop } from './support.ts';

onEveryWallet('payments before an app is approved (decision D23)', (databases) => {
  let server: WholeServer;
  let shop: Shop;
  let dana: Payer;
  before(async () => {
    server = await startPlatform(databases, ['dana', 'erin'], { TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false' });
    shop = await newShop(server, 'x', { token: (await signIn(server, 'dana')).access, approve: false });
    // Not a cent in the real wallet.
    dana = await newPayer(server, shop, 'dana', { amount: '0' });
  });
  afterEach(async () => {
    expect([...(await auditOf(server)), ...(await auditPayments(server.database))]).to.deep.equal([]);
  });
  after(() => server.close());

  const accountsIn = async (kinds: readonly string[]): Promise<number> => (await server.database.sql('ledger_account').whereIn('kind', kinds).select('id')).length;

  it('are made with play money that never meets the real books', async () => {
    const id = await asked(server, dana, { amount: 400 });
    expect((await authorize(server, dana, id, 40_000)).body).to.include({ status: 'completed', sandbox: true });
    expect((await refund(server, shop, id, { amount: 100 })).body.status).to.equal('partially_refunded');
    expect(await balanceOf(dana)).to.equal(0);
    expect(await accountsIn(['wallet', 'merchant'])).to.equal(0);
    expect((await dana.get('/wallet/v1/transactions')).body.transactions).to.deep.equal([]);
    expect((await eventsOf(server, id)).every(({ content }) => content.sandbox === true)).to.equal(true);
    expect((await deliveriesOf(server, id)).map(({ event, data }) => [event, data.sandbox])).to.deep.equal([['payment.completed', true], ['payment.refunded', true]]);
  });

  it('are the owners’ only', async () => {
    expect((await call(server.url, 'POST', '/oauth2/token', { body: {} })).status).to.equal(400);
    await server.database.sql('miniapp').where({ miniapp_id: shop.id }).update({ owner_user_id: '@erin:example.org' });
    expect(error(await ask(server, dana.appToken))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    await server.database.sql('miniapp').where({ miniapp_id: shop.id }).update({ owner_user_id: '@dana:example.org' });
  });

  const outcomes: readonly (readonly [string, number, number, string | undefined, string])[] = [
    ['are declined', 10.01, 400, 'PAYMENT_FAILED', 'failed'],
    ['find no funds', 10.04, 402, 'INSUFFICIENT_FUNDS', 'failed'],
    ['ask for a second proof', 10.03, 402, 'MFA_REQUIRED', 'mfa_required'],
  ];
  for (const [what, amount, status, code, state] of outcomes) {
    it(`${what} for the amount ${amount}`, async () => {
      const id = await asked(server, dana, { amount });
      expect(error(await authorize(server, dana, id, Math.round(amount * 100)))).to.deep.equal([status, code]);
      expect((await asMerchant(server, shop, 'GET', `/${id}`)).body.status).to.equal(state);
    });
  }

  it('wait for a wallet that answers later, for the amount 10.02', async () => {
    const id = await asked(server, dana, { amount: 10.02 });
    expect((await authorize(server, dana, id, 1002)).body.status).to.equal('processing');
    expect(error(await act(server, dana.appToken, id, 'cancel'))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    expect(error(await authorize(server, dana, id, 1002))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    expect(error(await refund(server, shop, id))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    server.clock.advance(6 * 60_000);
    await runJob(server, 'payment.expire', id);
    expect((await asMerchant(server, shop, 'GET', `/${id}`)).body.status).to.equal('processing');
    expect(await auditPayments(server.database)).to.deep.equal([]);
    for (let n = 0; n < 2; n += 1) await runJob(server, 'payment.settle', id);
    expect((await asMerchant(server, shop, 'GET', `/${id}`)).body.status).to.equal('completed');
    expect((await eventsOf(server, id)).map(({ type }) => type)).to.deep.equal(['m.tween.payment.request', 'm.tween.payment.sent', 'm.tween.payment.completed']);
    expect((await refund(server, shop, id)).body.status).to.equal('refunded');
  });

  it('stay play money after the approval, when new ones are real', async () => {
    const before = await asked(server, dana, { amount: 10 });
    await call(server.url, 'POST', `/admin/v1/mini-apps/${shop.id}/approve`, { token: server.adminToken, body: {} });
    expect((await authorize(server, dana, before, 1000)).body).to.include({ status: 'completed', sandbox: true });
    const real = await ask(server, await appToken(server, dana, shop), { amount: 10.01 });
    expect(real.body).to.not.have.property('sandbox');
    expect(error(await authorize(server, dana, real.body.payment_id as string, 1001, dana.token))).to.deep.equal([402, 'INSUFFICIENT_FUNDS']);
  });
});
