import { expect } from 'chai';
import fc from 'fast-check';
import { loadContract } from '../../../src/http/index.ts';
import { onBothDatabases, openTestDatabase } from '../../support/databases.ts';
import { decideRoleChange, may, organizationRoles, permissions, rolesWith, type Member, type OrganizationRole, type Permission } from '../../../src/developers/roles.ts';

/** The table "Role-Based Access Control" of specification section 4.4.4, and what its "Full access" and "Read-only" say besides. */
const rows: Record<OrganizationRole, Record<Permission, boolean>> = {
  admin: { 'miniapp:read': true, 'miniapp:register': true, 'miniapp:manage': true, 'webhook:configure': true, 'member:invite': true, 'member:manage': true },
  developer: { 'miniapp:read': true, 'miniapp:register': true, 'miniapp:manage': true, 'webhook:configure': true, 'member:invite': false, 'member:manage': false },
  viewer: { 'miniapp:read': true, 'miniapp:register': false, 'miniapp:manage': false, 'webhook:configure': false, 'member:invite': false, 'member:manage': false },
};

describe('roles in an organisation', () => {
  describe('the RBAC table', () => {
    for (const role of organizationRoles) {
      for (const permission of permissions) {
        it(`${role}: ${permission} ${rows[role][permission] ? 'yes' : 'no'}`, () => {
          expect(may(role, permission)).to.equal(rows[role][permission]);
          expect(rolesWith(permission).includes(role)).to.equal(rows[role][permission]);
        });
      }
    }
    it('gives nothing to who is no member', () => {
      expect(permissions.filter((permission) => may(undefined, permission))).to.deep.equal([]);
    });
  });

  describe('changing one', () => {
    const person = (userId: string, role: OrganizationRole): Member => ({ userId, role });
    const cases: Record<string, [Parameters<typeof decideRoleChange>[0], ReturnType<typeof decideRoleChange>]> = {
      'an admin raises a viewer to admin': [{ actor: person('a', 'admin'), subject: person('b', 'viewer'), to: 'admin', otherAdmins: 1 }, 'allowed'],
      'an admin lowers another admin': [{ actor: person('a', 'admin'), subject: person('b', 'admin'), to: 'viewer', otherAdmins: 1 }, 'allowed'],
      'an admin removes a developer': [{ actor: person('a', 'admin'), subject: person('b', 'developer'), to: undefined, otherAdmins: 1 }, 'allowed'],
      'an admin lowers themself beside another': [{ actor: person('a', 'admin'), subject: person('a', 'admin'), to: 'developer', otherAdmins: 1 }, 'allowed'],
      'the last admin lowers themself': [{ actor: person('a', 'admin'), subject: person('a', 'admin'), to: 'developer', otherAdmins: 0 }, 'last_admin'],
      'the last admin leaves': [{ actor: person('a', 'admin'), subject: person('a', 'admin'), to: undefined, otherAdmins: 0 }, 'last_admin'],
      'a role is what it is already': [{ actor: person('a', 'admin'), subject: person('a', 'admin'), to: 'admin', otherAdmins: 0 }, 'unchanged'],
      'a developer raises themself': [{ actor: person('b', 'developer'), subject: person('b', 'developer'), to: 'admin', otherAdmins: 1 }, 'not_permitted'],
      'a developer lowers themself': [{ actor: person('b', 'developer'), subject: person('b', 'developer'), to: 'viewer', otherAdmins: 1 }, 'not_permitted'],
      'a viewer raises themself': [{ actor: person('c', 'viewer'), subject: person('c', 'viewer'), to: 'developer', otherAdmins: 1 }, 'not_permitted'],
      'a developer lowers an admin': [{ actor: person('b', 'developer'), subject: person('a', 'admin'), to: 'viewer', otherAdmins: 1 }, 'not_permitted'],
      'a developer removes a viewer': [{ actor: person('b', 'developer'), subject: person('c', 'viewer'), to: undefined, otherAdmins: 1 }, 'not_permitted'],
      'a viewer leaves': [{ actor: person('c', 'viewer'), subject: person('c', 'viewer'), to: undefined, otherAdmins: 1 }, 'allowed'],
      'a developer asks about nobody': [{ actor: person('b', 'developer'), subject: undefined, to: 'viewer', otherAdmins: 1 }, 'not_permitted'],
      'an admin asks about nobody': [{ actor: person('a', 'admin'), subject: undefined, to: 'viewer', otherAdmins: 0 }, 'no_such_member'],
      'a stranger asks': [{ actor: undefined, subject: person('a', 'admin'), to: 'viewer', otherAdmins: 1 }, 'not_a_member'],
    };
    for (const [what, [change, verdict]] of Object.entries(cases)) {
      it(`${what}: ${verdict}`, () => expect(decideRoleChange(change)).to.equal(verdict));
    }

    it('keeps an admin, and raises nobody by their own hand, whatever people try', () => {
      const people = ['a', 'b', 'c', 'd'];
      const attempt = fc.record({ actor: fc.constantFrom(...people), subject: fc.constantFrom(...people), to: fc.constantFrom<OrganizationRole | undefined>(...organizationRoles, undefined) });
      const start = fc.array(fc.constantFrom<OrganizationRole | undefined>(...organizationRoles, undefined), { minLength: 3, maxLength: 3 });
      fc.assert(
        fc.property(start, fc.array(attempt, { maxLength: 40 }), (others, attempts) => {
          const members = new Map<string, OrganizationRole>([['a', 'admin']]);
          others.forEach((role, index) => void (role !== undefined && members.set(people[index + 1]!, role)));
          const find = (userId: string): Member | undefined => (members.has(userId) ? { userId, role: members.get(userId)! } : undefined);
          const rank = (role: OrganizationRole | undefined): number => (role === undefined ? organizationRoles.length : organizationRoles.indexOf(role));
          for (const { actor, subject, to } of attempts) {
            const otherAdmins = [...members].filter(([userId, role]) => role === 'admin' && userId !== subject).length;
            const before = new Map(members);
            if (decideRoleChange({ actor: find(actor), subject: find(subject), to, otherAdmins }) === 'allowed') {
              if (to === undefined) members.delete(subject);
              else members.set(subject, to);
            }
            expect([...members.values()]).to.include('admin');
            expect(rank(members.get(actor))).to.be.at.least(rank(before.get(actor)));
            if (before.get(actor) !== 'admin') for (const other of people.filter((one) => one !== actor)) expect(members.get(other)).to.equal(before.get(other));
          }
        }),
      );
    });
  });
});

onBothDatabases('roles in the database and in the document', (databases) => {
  it('are exactly those of the table', async () => {
    const database = await openTestDatabase(databases);
    await database.sql('organization').insert({ org_id: 'org_1', name: 'n', created_by: '@a:example.org', created_at: 1 });
    const insert = (role: string): Promise<string> =>
      database.sql('organization_member').insert({ org_id: 'org_1', user_id: `@${role}:example.org`, role, joined_at: 1 }).then(() => 'accepted', () => 'refused');
    const answers = await Promise.all([...organizationRoles, 'owner'].map(insert));
    await database.close();
    expect(answers).to.deep.equal(['accepted', 'accepted', 'accepted', 'refused']);
    const { document } = loadContract(new URL('../../../schema/openapi.yaml', import.meta.url));
    const { components } = document as { components: { schemas: { OrganizationRole: { enum: string[] } } } };
    expect(components.schemas.OrganizationRole.enum).to.deep.equal(organizationRoles);
  });
});
