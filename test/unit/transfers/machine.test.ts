import { expect } from 'chai';
import fc from 'fast-check';
import { loadContract } from '../../../src/http/index.ts';
import { advance, stateNames } from '../../../src/kernel/advance.ts';
import { transferMachine, type TransferCommand, type TransferStatus } from '../../../src/transfers/index.ts';
import { onBothDatabases, openTestDatabase } from '../../support/databases.ts';

const commands: TransferCommand[] = ['complete', 'await_acceptance', 'accept', 'reject', 'cancel', 'expire', 'process', 'fail', 'settle_complete', 'settle_await_acceptance', 'settle_reject', 'settle_cancel', 'settle_expire'];
/** Every legal step; all others are illegal. */
const legal: Record<TransferStatus, Partial<Record<TransferCommand, TransferStatus>>> = {
  pending_authorization: { complete: 'completed', await_acceptance: 'pending_recipient_acceptance', cancel: 'cancelled', expire: 'expired', process: 'processing' },
  processing: { settle_complete: 'completed', settle_await_acceptance: 'pending_recipient_acceptance', settle_reject: 'rejected', settle_cancel: 'cancelled', settle_expire: 'expired', fail: 'failed' },
  pending_recipient_acceptance: { accept: 'completed', reject: 'rejected', cancel: 'cancelled', expire: 'expired', process: 'processing' },
  completed: {},
  cancelled: {},
  rejected: {},
  expired: {},
  failed: {},
};
const final: TransferStatus[] = ['completed', 'cancelled', 'rejected', 'expired', 'failed'];

describe('the life of a transfer', () => {
  for (const [state, steps] of Object.entries(legal) as [TransferStatus, Partial<Record<TransferCommand, TransferStatus>>][]) {
    it(`while ${state} knows ${Object.keys(steps).join(', ') || 'no way on'}`, () => {
      for (const command of commands) {
        const next = steps[command];
        if (next !== undefined) expect(advance(transferMachine, state, command)).to.equal(next);
        else expect(() => advance(transferMachine, state, command), command).to.throw().with.property('code', 'INVALID_STATE_TRANSITION');
      }
    });
  }

  it('never leaves a final state, whatever is asked of it', () => {
    fc.assert(fc.property(fc.array(fc.constantFrom(...commands), { maxLength: 12 }), (list) => {
      let state: TransferStatus = 'pending_authorization';
      for (const command of list) {
        const before = state;
        try {
          state = advance(transferMachine, state, command);
        } catch {
          continue;
        }
        if (final.includes(before)) return false;
      }
      return true;
    }));
  });

  it('has the states that the API names', () => {
    const { document } = loadContract(new URL('../../../schema/openapi.yaml', import.meta.url));
    const named = (document as { components: { schemas: { Transfer: { properties: { status: { enum: string[] } } } } } }).components.schemas.Transfer.properties.status.enum;
    expect(named).to.have.members(stateNames(transferMachine));
    expect(stateNames(transferMachine)).to.have.members(Object.keys(legal));
  });
});

onBothDatabases('the life of a transfer in the database', (databases) => {
  it('has exactly the states of the machine', async () => {
    const database = await openTestDatabase(databases);
    const row = { payer: '@a:b', payee: '@c:d', amount: 1, currency: 'USD', room_encrypted: 0, acceptance_required: 0, created_at: 1 };
    for (const status of stateNames(transferMachine)) await database.sql('p2p_transfer').insert({ ...row, id: status, status, ...(status === 'processing' ? { next_status: 'completed' } : {}), ...(status === 'failed' ? { error_code: 'INSUFFICIENT_FUNDS' } : {}) });
    const refused = await database.sql('p2p_transfer').insert({ ...row, id: 'other', status: 'initiated' }).then(() => 'accepted', () => 'refused');
    await database.close();
    expect(refused).to.equal('refused');
  });
});
