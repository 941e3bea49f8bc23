import type { Ownership } from '../miniapps/index.ts';
import { findOrganizationName, organizationExists } from './organization-repo.ts';
import type { Organizations } from './organizations.ts';
import { findListed } from './whitelist-repo.ts';

/** Whose mini-apps are whose, by the roles of the moment (decision D23). */
export const createOwnership = (organizations: Organizations): Ownership => ({
  requireMayRegister: (tx, developer, orgId) => organizations.require(tx, developer, orgId, 'miniapp:register'),
  mayRead: async (db, developer, owner) => ('userId' in owner ? owner.userId === developer : organizations.permits(db, developer, owner.orgId, 'miniapp:read')),
  mayManage: async (db, developer, owner) => ('userId' in owner ? owner.userId === developer : organizations.permits(db, developer, owner.orgId, 'miniapp:manage')),
  organizationExists,
  nameOf: async (db, owner) => ('userId' in owner ? owner.userId : findOrganizationName(db, owner.orgId)),
  usersOf: async (db, owner) => {
    if ('orgId' in owner) return organizations.holdersOf(db, owner.orgId, 'miniapp:manage');
    return (await findListed(db, owner.userId)) === undefined ? [] : [owner.userId];
  },
});
