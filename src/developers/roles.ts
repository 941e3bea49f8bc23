/** Specification section 4.4.4, the table "Role-Based Access Control". The strongest first. */
export const organizationRoles = ['admin', 'developer', 'viewer'] as const;
export type OrganizationRole = (typeof organizationRoles)[number];

/** What can be done in an organisation, and with its mini-apps. The three that the token's claims name are the specification's. */
export const permissions = ['miniapp:read', 'miniapp:register', 'miniapp:manage', 'webhook:configure', 'member:invite', 'member:manage'] as const;
export type Permission = (typeof permissions)[number];

const table: Readonly<Record<OrganizationRole, readonly Permission[]>> = {
  /** Full access. */
  admin: permissions,
  /** Registers and manages mini-apps and their webhooks; invites nobody. */
  developer: ['miniapp:read', 'miniapp:register', 'miniapp:manage', 'webhook:configure'],
  /** Reads only. */
  viewer: ['miniapp:read'],
};

/** Whether this role (undefined: no member) holds the permission. */
export const may = (role: OrganizationRole | undefined, permission: Permission): boolean => role !== undefined && table[role].includes(permission);

/** The roles that hold the permission. */
export const rolesWith = (permission: Permission): OrganizationRole[] => organizationRoles.filter((role) => may(role, permission));

export interface Member {
  readonly userId: string;
  readonly role: OrganizationRole;
}

export interface RoleChange {
  /** Who asks; undefined when they are no member. */
  readonly actor: Member | undefined;
  /** Whose role it is; undefined when they are no member. */
  readonly subject: Member | undefined;
  /** Undefined: the subject ceases to be a member. */
  readonly to: OrganizationRole | undefined;
  /** Admins besides the subject who can act: who are developers now. */
  readonly otherAdmins: number;
}

export type RoleVerdict = 'allowed' | 'unchanged' | 'not_a_member' | 'no_such_member' | 'not_permitted' | 'last_admin';

/**
 * The one place where a change of role is decided (section 4.4.8). Only admins change roles; anybody may leave; nobody rises by
 * their own hand, because only those at the top may change anything; and an organisation keeps an admin who can act.
 */
export function decideRoleChange({ actor, subject, to, otherAdmins }: RoleChange): RoleVerdict {
  if (actor === undefined) return 'not_a_member';
  const leaves = to === undefined && actor.userId === subject?.userId;
  if (!leaves && !may(actor.role, 'member:manage')) return 'not_permitted';
  if (subject === undefined) return 'no_such_member';
  if (subject.role === to) return 'unchanged';
  if (subject.role === 'admin' && otherAdmins === 0) return 'last_admin';
  return 'allowed';
}
