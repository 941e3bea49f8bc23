import { expect } from 'chai';
import { giftMachine, type GiftCommand, type GiftStatus } from '../../../src/gifts/index.ts';
import { loadContract } from '../../../src/http/index.ts';
import { advance, stateNames } from '../../../src/kernel/advance.ts';
import { onBothDatabases, openTestDatabase } from '../../support/databases.ts';

const commands: GiftCommand[] = ['confirm', 'process', 'fund', 'fail', 'open', 'open_last', 'expire'];
/** Every legal step; all others are illegal. */
const opening = { open: 'partially_opened', open_last: 'fully_opened', expire: 'expired' } as const;
const legal: Record<GiftStatus, Partial<Record<GiftCommand, GiftStatus>>> = {
  pending_authorization: { confirm: 'active', process: 'processing', expire: 'expired' },
  processing: { fund: 'active', fail: 'failed' },
  active: opening,
  partially_opened: opening,
  fully_opened: {},
  expired: {},
  failed: {},
};

describe('the life of a gift', () => {
  for (const [state, steps] of Object.entries(legal) as [GiftStatus, Partial<Record<GiftCommand, GiftStatus>>][]) {
    it(`while ${state} knows ${Object.keys(steps).join(', ') || 'no way on'}`, () => {
      for (const command of commands) {
        const next = steps[command];
        if (next !== undefined) expect(advance(giftMachine, state, command)).to.equal(next);
        else expect(() => advance(giftMachine, state, command), command).to.throw().with.property('code', 'INVALID_STATE_TRANSITION');
      }
    });
  }

  it('has the states that the API names', () => {
    const { document } = loadContract(new URL('../../../schema/openapi.yaml', import.meta.url));
    const named = (document as { components: { schemas: { Gift: { properties: { status: { enum: string[] } } } } } }).components.schemas.Gift.properties.status.enum;
    expect(named).to.have.members(stateNames(giftMachine));
    expect(stateNames(giftMachine)).to.have.members(Object.keys(legal));
  });
});

onBothDatabases('the life of a gift in the database', (databases) => {
  it('has exactly the states of the machine', async () => {
    const database = await openTestDatabase(databases);
    const row = { giver: '@a:b', type: 'individual', recipient: '@c:d', amount: 1, currency: 'USD', count: 1, opened: 0, room_encrypted: 0, lifetime_ms: 1, created_at: 1, expires_at: 1 };
    for (const status of stateNames(giftMachine)) await database.sql('gift').insert({ ...row, id: status, status, ...(status === 'failed' ? { error_code: 'INSUFFICIENT_FUNDS' } : {}) });
    const refused = await database.sql('gift').insert({ ...row, id: 'other', status: 'created' }).then(() => 'accepted', () => 'refused');
    await database.close();
    expect(refused).to.equal('refused');
  });
});
