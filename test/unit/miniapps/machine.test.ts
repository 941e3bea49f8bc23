import { expect } from 'chai';
import { advance, stateNames } from '../../../src/kernel/advance.ts';
import { miniappMachine, type MiniAppCommand, type MiniAppStatus } from '../../../src/miniapps/machine.ts';
import { onBothDatabases, openTestDatabase } from '../../support/databases.ts';

const commands: MiniAppCommand[] = ['submit', 'withdraw', 'begin_review', 'approve', 'reject', 'appeal', 'publish', 'suspend', 'reinstate', 'retire'];
/** Every legal step of specification section 9.2 and decision D11; all others are illegal. */
const legal: Record<MiniAppStatus, Partial<Record<MiniAppCommand, MiniAppStatus>>> = {
  draft: { submit: 'submitted', retire: 'retired' },
  submitted: { begin_review: 'under_review', withdraw: 'draft' },
  under_review: { approve: 'approved', reject: 'rejected', withdraw: 'draft' },
  approved: { publish: 'active', retire: 'retired' },
  active: { suspend: 'suspended', retire: 'retired' },
  rejected: { submit: 'submitted', appeal: 'under_review', retire: 'retired' },
  suspended: { reinstate: 'active', retire: 'retired' },
  retired: {},
};

describe('the life of a mini-app', () => {
  for (const [state, steps] of Object.entries(legal) as [MiniAppStatus, Partial<Record<MiniAppCommand, MiniAppStatus>>][]) {
    for (const command of commands) {
      const next = steps[command];
      it(next === undefined ? `refuses to ${command} while ${state}` : `goes from ${state} by ${command} to ${next}`, () => {
        if (next !== undefined) expect(advance(miniappMachine, state, command)).to.equal(next);
        else expect(() => advance(miniappMachine, state, command)).to.throw().with.property('code', 'INVALID_STATE_TRANSITION');
      });
    }
  }

  it('does not take a state that it does not know for a state', () => {
    expect(() => advance(miniappMachine, 'gone' as MiniAppStatus, 'submit')).to.throw('mini-app has no state gone');
  });
});

onBothDatabases('the life of a mini-app in the database', (databases) => {
  it('has exactly the states of the machine', async () => {
    const database = await openTestDatabase(databases);
    const row = { name: 'n', category: 'c', classification: 'beta', client_type: 'public', version: '1.0.0', entry_point: 'https://x', redirect_uris: '[]', scopes: '[]', developer: '{}', branding: '{}', marketing: '{}', install_mode: 'optional', registered_by: 'x', created_at: 1, updated_at: 1 };
    for (const status of stateNames(miniappMachine)) await database.sql('miniapp').insert({ ...row, miniapp_id: `ma_${status}`, status });
    const refused = await database.sql('miniapp').insert({ ...row, miniapp_id: 'ma_other', status: 'pending_review' }).then(
      () => 'accepted',
      () => 'refused',
    );
    await database.close();
    expect(refused).to.equal('refused');
    expect(stateNames(miniappMachine)).to.have.members(Object.keys(legal));
  });
});
