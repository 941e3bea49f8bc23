import { expect } from 'chai';
import { auditPayments } from '../../../src/payments/index.ts';
import type { ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { auditOf } from '../wallet/support.ts';
import { act, ask, asked, asMerchant, auditActions, balanceOf, deliveriesOf, eventsOf, newKey, newPayer, newShop, paid, refund, signatureOver, type Payer, type Shop } from './support.ts';

/** The last that a step writes are its jobs: where these can't be written, everything before them has been. */
const broken = {
  sqlite: [`CREATE TRIGGER no_jobs BEFORE INSERT ON job BEGIN SELECT RAISE(ABORT, 'the process dies here'); END`],
  postgres: [`CREATE FUNCTION no_jobs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the process dies here'; END $$`, 'CREATE TRIGGER no_jobs BEFORE INSERT ON job FOR EACH ROW EXECUTE FUNCTION no_jobs()'],
} as const;
const mended = { sqlite: ['DROP TRIGGER no_jobs'], postgres: ['DROP TRIGGER no_jobs ON job', 'DROP FUNCTION no_jobs'] } as const;

onEveryWallet('payments whose transaction dies just before it is committed', (databases) => {
  let server: WholeServer;
  let shop: Shop;
  let alice: Payer;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false', TMCP_MFA_LOWERED_LIMITS_PERCENT: '100' });
    shop = await newShop(server, 'ma_shop');
    alice = await newPayer(server, shop, 'alice');
  });
  after(() => server.close());

  const run = async (statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await server.database.sql.raw(statement);
  };
  const traces = async (id: string): Promise<unknown> => [(await asMerchant(server, shop, 'GET', '')).body.payments, await balanceOf(alice), await eventsOf(server, id), await deliveriesOf(server, id), await auditActions(server, id), (await server.database.sql('idempotency_key').select('key')).length];
  /** Nothing of the first try is left, and the very same request then has its effect. */
  const diesThenWorks = async (id: string, attempt: () => Promise<ApiResponse>): Promise<ApiResponse> => {
    const before = await traces(id);
    await run(broken[server.database.dialect]);
    try {
      expect((await attempt()).status).to.equal(500);
    } finally {
      await run(mended[server.database.dialect]);
    }
    expect(await traces(id)).to.deep.equal(before);
    const answer = await attempt();
    expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
    expect([...(await auditOf(server)), ...(await auditPayments(server.database))]).to.deep.equal([]);
    return answer;
  };

  it('are requested once with the same key', async () => {
    const body = { idempotency_key: newKey() };
    // Of all payments there are: this one has no id yet.
    const first = await diesThenWorks('pay_none', () => ask(server, alice.appToken, body));
    expect((await ask(server, alice.appToken, body)).body).to.deep.equal(first.body);
  });

  it('are authorized once with the same signature', async () => {
    const id = await asked(server, alice);
    const [signature, before] = [signatureOver(server, alice, id, 1000), await balanceOf(alice)];
    expect((await diesThenWorks(id, () => act(server, alice.appToken, id, 'authorize', signature))).body.status).to.equal('completed');
    expect(before - (await balanceOf(alice))).to.equal(10);
  });

  it('are cancelled', async () => {
    const id = await asked(server, alice);
    expect((await diesThenWorks(id, () => act(server, alice.appToken, id, 'cancel'))).body.status).to.equal('cancelled');
  });

  it('are refunded once with the same key', async () => {
    const id = await paid(server, alice, 20);
    const body = { amount: 5, idempotency_key: newKey() };
    await diesThenWorks(id, () => refund(server, shop, id, body));
    expect((await refund(server, shop, id, body)).headers.get('idempotency-replayed')).to.equal('true');
    expect((await asMerchant(server, shop, 'GET', `/${id}`)).body.refunded_amount).to.equal(5);
  });
});
