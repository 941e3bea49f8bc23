import { expect } from 'chai';
import fc from 'fast-check';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { auditPayments } from '../../../src/payments/index.ts';
import type { ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { auditOf } from '../wallet/support.ts';
import { act, asked, asMerchant, authorize, eventsOf, newPayer, newShop, paid, refund, runJob, type Payer, type Shop } from './support.ts';

const amountMinor = 1000;
type Step = 'authorize' | 'cancel' | 'expire' | 'refund_some' | 'refund_rest';
const step = fc.constantFrom<Step>('authorize', 'authorize', 'cancel', 'expire', 'refund_some', 'refund_rest');
const scenario = fc.record({ authorizedBefore: fc.boolean(), steps: fc.array(fc.record({ step, turns: fc.nat(12) }), { minLength: 2, maxLength: 7 }) });

onEveryWallet('payments in any order at once', (databases) => {
  let server: WholeServer;
  let shop: Shop;
  let alice: Payer;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false', TMCP_MFA_LOWERED_LIMITS_PERCENT: '100' });
    shop = await newShop(server, 'ma_shop');
    alice = await newPayer(server, shop, 'alice', { amount: '5000' });
  });
  after(() => server.close());

  const perform = async (id: string, what: Step): Promise<ApiResponse | undefined> => {
    switch (what) {
      case 'authorize':
        return authorize(server, alice, id, amountMinor);
      case 'cancel':
        return act(server, alice.appToken, id, 'cancel');
      case 'refund_some':
        return refund(server, shop, id, { amount: 3 });
      case 'refund_rest':
        return refund(server, shop, id);
      case 'expire':
        server.clock.advance(301_000);
        await runJob(server, 'payment.expire', id);
        return undefined;
    }
  };
  const merchantFunds = async (): Promise<number> => {
    const row = await server.bank.sql('ledger_account').where({ kind: 'merchant', owner: shop.id }).first<{ cr_posted: number; dr_posted: number } | undefined>();
    return row === undefined ? 0 : row.cr_posted - row.dr_posted;
  };
  const cents = async (): Promise<number> => Math.round((await fundsOf()) * 100);
  // Tokens of the host client live for an hour, which the clock passes here.
  const fundsOf = async (): Promise<number> => {
    const row = await server.bank.sql('ledger_account').where({ kind: 'wallet', owner: alice.userId, currency: 'USD' }).first<{ cr_posted: number; dr_posted: number }>();
    return (row.cr_posted - row.dr_posted) / 100;
  };

  it('end in one legal state, with the money in one place and every step told once', async function () {
    this.timeout(90_000);
    await fc.assert(
      fc.asyncProperty(scenario, async ({ authorizedBefore, steps }) => {
        const [wallet, funds] = [await cents(), await merchantFunds()];
        const id = authorizedBefore ? await paid(server, alice, amountMinor / 100) : await asked(server, alice, { amount: amountMinor / 100 });
        const answers = await Promise.all(
          steps.map(async ({ step: what, turns }) => {
            for (let n = 0; n < turns; n += 1) await nextTurn();
            return { what, answer: await perform(id, what) };
          }),
        );
        const succeeded = (what: Step): number => answers.filter((one) => one.what === what && one.answer?.status === 200).length;
        const { status, refunded_amount: refunded = 0 } = (await asMerchant(server, shop, 'GET', `/${id}`)).body as { status: string; refunded_amount?: number };
        const refundedMinor = Math.round(refunded * 100);

        const wasPaid = ['completed', 'partially_refunded', 'refunded'].includes(status);
        expect(['pending_authorization', 'cancelled', 'expired', 'completed', 'partially_refunded', 'refunded']).to.include(status);
        expect(succeeded('authorize') + (authorizedBefore ? 1 : 0)).to.equal(wasPaid ? 1 : 0);
        expect(succeeded('cancel')).to.equal(status === 'cancelled' ? 1 : 0);
        expect(succeeded('refund_rest')).to.equal(status === 'refunded' ? 1 : 0);
        expect(refundedMinor).to.equal(status === 'refunded' ? amountMinor : 300 * succeeded('refund_some'));
        const kept = wasPaid ? amountMinor - refundedMinor : 0;
        expect([await cents(), await merchantFunds()]).to.deep.equal([wallet - kept, funds + kept]);
        const told = (await eventsOf(server, id)).map(({ type }) => type.replace('m.tween.payment.', ''));
        const end = wasPaid ? ['completed'] : status === 'pending_authorization' ? [] : [status];
        expect(told).to.deep.equal(['request', ...end, ...Array.from({ length: succeeded('refund_some') + succeeded('refund_rest') }, () => 'refunded')]);
        for (const { answer } of answers) expect(answer?.status ?? 200, JSON.stringify(answer?.body)).to.be.below(500);
      }),
      { numRuns: 25 },
    );
    expect([...(await auditOf(server)), ...(await auditPayments(server.database))]).to.deep.equal([]);
  });

  it('of one signature shown many times at once are paid once', async () => {
    const before = await cents();
    const id = await asked(server, alice);
    const answers = await Promise.all(Array.from({ length: 8 }, () => authorize(server, alice, id, amountMinor)));
    expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
    expect(before - (await cents())).to.equal(amountMinor);
  });
});
