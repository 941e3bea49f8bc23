import { expect } from 'chai';
import fc from 'fast-check';
import { accountMachine, fundingMachine, withdrawalMachine } from '../../../src/external/index.ts';
import { loadContract } from '../../../src/http/index.ts';
import { advance, stateNames } from '../../../src/kernel/advance.ts';
import { onBothDatabases, openTestDatabase } from '../../support/databases.ts';

/** Every legal step of each machine; all others are illegal. */
const lives = {
  ExternalAccount: {
    machine: accountMachine,
    commands: ['confirm', 'verify', 'fail', 'expire', 'remove'],
    legal: {
      pending_authorization: { confirm: 'pending_verification', expire: 'removed', remove: 'removed' },
      pending_verification: { verify: 'verified', fail: 'failed', expire: 'failed', remove: 'removed' },
      verified: { remove: 'removed' },
      failed: {},
      removed: {},
    },
  },
  Funding: {
    machine: fundingMachine,
    commands: ['confirm', 'complete', 'fail', 'expire'],
    legal: { pending_authorization: { confirm: 'processing', expire: 'expired' }, processing: { complete: 'completed', fail: 'failed' }, completed: {}, failed: {}, expired: {} },
  },
  Withdrawal: {
    machine: withdrawalMachine,
    commands: ['confirm', 'await_approval', 'approve', 'reject', 'cancel', 'expire', 'complete', 'fail'],
    legal: {
      pending_authorization: { confirm: 'processing', await_approval: 'pending_approval', cancel: 'cancelled', expire: 'expired' },
      pending_approval: { approve: 'processing', reject: 'failed', cancel: 'cancelled', expire: 'expired' },
      processing: { complete: 'completed', fail: 'failed' },
      completed: {},
      failed: {},
      cancelled: {},
      expired: {},
    },
  },
} as const;

type Named = { components: { schemas: Record<string, { properties?: { status: { enum: string[] } }; allOf?: { properties?: { status?: { enum: string[] } } }[] }> } };

for (const [name, { machine, commands, legal }] of Object.entries(lives)) {
  describe(`the life of a ${machine.id}`, () => {
    const steps = legal as Record<string, Record<string, string>>;

    it('knows these steps and no others', () => {
      for (const [state, known] of Object.entries(steps)) {
        for (const command of commands) {
          const next = known[command];
          if (next !== undefined) expect(advance<string>(machine, state, command), `${state} ${command}`).to.equal(next);
          else expect(() => advance<string>(machine, state, command), `${state} ${command}`).to.throw().with.property('code', 'INVALID_STATE_TRANSITION');
        }
      }
    });

    it('never leaves a final state, and once the provider may have been asked only its answer leads on', () => {
      const onlyAnswers = new Set(['complete', 'fail']);
      fc.assert(
        fc.property(fc.array(fc.constantFrom<string>(...commands), { maxLength: 12 }), (list) => {
          let state = 'pending_authorization';
          for (const command of list) {
            const before = state;
            try {
              state = advance<string>(machine, state, command);
            } catch {
              continue;
            }
            if (Object.keys(steps[before]!).length === 0 || (before === 'processing' && !onlyAnswers.has(command))) return false;
          }
          return true;
        }),
      );
    });

    it('has the states that the API names', () => {
      const { schemas } = (loadContract(new URL('../../../schema/openapi.yaml', import.meta.url)).document as Named).components;
      const named = schemas[name]!.properties?.status ?? schemas[name]!.allOf?.find(({ properties }) => properties?.status !== undefined)?.properties?.status;
      expect(named?.enum).to.have.members(stateNames(machine));
      expect(stateNames(machine)).to.have.members(Object.keys(legal));
    });
  });
}

onBothDatabases('accounts outside and their orders in the database', (databases) => {
  it('have exactly the states of their machines', async () => {
    const database = await openTestDatabase(databases);
    const account = { user_id: '@a:b', provider: 'sandbox', type: 'card', currency: 'USD', last_four: '4242', attempts: 0, created_at: 1 };
    const order = { user_id: '@a:b', account_id: 'verified', amount: 1, currency: 'USD', approvals_needed: 0, created_at: 1 };
    const over = ['completed', 'failed', 'cancelled', 'expired', 'removed'];
    const refused = (table: string, row: object): Promise<string> => database.sql(table).insert(row).then(() => 'accepted', () => 'refused');
    for (const status of stateNames(accountMachine)) await database.sql('external_account').insert({ ...account, id: status, fingerprint: status, status, sealed: over.includes(status) ? null : 'x', ended_at: over.includes(status) ? 1 : null });
    const others = [await refused('external_account', { ...account, id: 'other', fingerprint: 'other', status: 'linked', sealed: 'x' })];
    for (const [kind, machine] of [['funding', fundingMachine], ['withdrawal', withdrawalMachine]] as const) {
      for (const status of stateNames(machine)) await database.sql('external_order').insert({ ...order, id: `${kind} ${status}`, kind, status, ended_at: over.includes(status) ? 1 : null, error_code: status === 'failed' ? 'X' : null });
      others.push(await refused('external_order', { ...order, id: 'other', kind, status: 'mfa_required' }));
    }
    others.push(await refused('external_order', { ...order, id: 'other', kind: 'funding', status: 'pending_approval' }));
    await database.close();
    expect(others).to.deep.equal(['refused', 'refused', 'refused', 'refused']);
  });
});
