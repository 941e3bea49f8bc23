import { expect } from 'chai';
import fc from 'fast-check';
import { loadContract } from '../../../src/http/index.ts';
import { advance, stateNames } from '../../../src/kernel/advance.ts';
import { paymentMachine, type PaymentCommand, type PaymentStatus } from '../../../src/payments/index.ts';
import { onBothDatabases, openTestDatabase } from '../../support/databases.ts';
import { insertTestApp } from '../../support/miniapps.ts';

const commands: PaymentCommand[] = ['require_mfa', 'authorize', 'process', 'complete', 'fail', 'cancel', 'expire', 'refund', 'refund_all'];
/** Every legal step; all others are illegal. */
const waiting = { authorize: 'authorized', require_mfa: 'mfa_required', cancel: 'cancelled', expire: 'expired', fail: 'failed' } as const;
const refunding = { refund: 'partially_refunded', refund_all: 'refunded' } as const;
const legal: Record<PaymentStatus, Partial<Record<PaymentCommand, PaymentStatus>>> = {
  pending_authorization: waiting,
  mfa_required: waiting,
  authorized: { process: 'processing', cancel: 'cancelled', expire: 'expired', fail: 'failed' },
  processing: { complete: 'completed', fail: 'failed' },
  completed: refunding,
  partially_refunded: refunding,
  refunded: {},
  cancelled: {},
  expired: {},
  failed: {},
};
const final: PaymentStatus[] = ['refunded', 'cancelled', 'expired', 'failed'];

describe('the life of a payment', () => {
  for (const [state, steps] of Object.entries(legal) as [PaymentStatus, Partial<Record<PaymentCommand, PaymentStatus>>][]) {
    it(`while ${state} knows ${Object.keys(steps).join(', ') || 'no way on'}`, () => {
      for (const command of commands) {
        const next = steps[command];
        if (next !== undefined) expect(advance(paymentMachine, state, command)).to.equal(next);
        else expect(() => advance(paymentMachine, state, command), command).to.throw().with.property('code', 'INVALID_STATE_TRANSITION');
      }
    });
  }

  it('never leaves a final state, and never goes back before the money, whatever is asked of it', () => {
    fc.assert(fc.property(fc.array(fc.constantFrom(...commands), { maxLength: 14 }), (list) => {
      let state: PaymentStatus = 'pending_authorization';
      let paid = false;
      for (const command of list) {
        const before = state;
        try {
          state = advance(paymentMachine, state, command);
        } catch {
          continue;
        }
        if (final.includes(before)) return false;
        paid ||= (state as PaymentStatus) === 'completed';
        if (paid && !['completed', 'partially_refunded', 'refunded'].includes(state)) return false;
      }
      return true;
    }));
  });

  it('has the states that the API names', () => {
    const { document } = loadContract(new URL('../../../schema/openapi.yaml', import.meta.url));
    const named = (document as { components: { schemas: { PaymentStatus: { enum: string[] } } } }).components.schemas.PaymentStatus.enum;
    expect(named).to.have.members(stateNames(paymentMachine));
    expect(stateNames(paymentMachine)).to.have.members(Object.keys(legal));
  });
});

onBothDatabases('the life of a payment in the database', (databases) => {
  it('has exactly the states of the machine, with the money that belongs to each', async () => {
    const database = await openTestDatabase(databases);
    await insertTestApp(database, 'ma_shop' as never);
    const row = { miniapp_id: 'ma_shop', merchant_name: 'Shop', payer: '@a:b', amount: 5, currency: 'USD', items: '[]', room_encrypted: 0, sandbox: 0, refunded: 0, created_at: 1, expires_at: 2 };
    const insert = (fields: object): Promise<string> => database.sql('payment').insert({ ...row, ...fields }).then(() => 'accepted', () => 'refused');
    const needs: Partial<Record<string, object>> = { completed: { completed_at: 1 }, partially_refunded: { completed_at: 1, refunded: 2 }, refunded: { completed_at: 1, refunded: 5 }, failed: { error_code: 'X' } };
    for (const status of stateNames(paymentMachine)) {
      expect(await insert({ id: status, status, ...needs[status] }), status).to.equal('accepted');
      if (needs[status] !== undefined) expect(await insert({ id: `${status}_bare`, status }), status).to.equal('refused');
    }
    expect(await insert({ id: 'other', status: 'initiated' })).to.equal('refused');
    expect(await insert({ id: 'more', status: 'partially_refunded', completed_at: 1, refunded: 6 })).to.equal('refused');
    expect(await insert({ id: 'nothing', status: 'pending_authorization', amount: 0 })).to.equal('refused');
    await database.close();
  });
});
