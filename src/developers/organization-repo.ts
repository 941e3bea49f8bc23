import type { Queryable, Transaction } from '../database/index.ts';
import type { Member, OrganizationRole } from './roles.ts';

export interface Organization {
  readonly orgId: string;
  readonly name: string;
  readonly description: string;
  readonly website: string | undefined;
  readonly contactEmail: string | undefined;
  readonly createdBy: string;
  readonly createdAt: number;
}

export interface Membership {
  readonly orgId: string;
  readonly name: string;
  readonly role: OrganizationRole;
}

export interface Invitation {
  readonly id: string;
  readonly orgId: string;
  readonly userId: string;
  readonly role: OrganizationRole;
  readonly invitedBy: string;
  readonly invitedAt: number;
  readonly expiresAt: number;
  readonly state: 'pending' | 'accepted' | 'withdrawn';
}

/** One line of the record of who made whom what (section 4.4.8). */
export interface RoleChangeRecord {
  readonly id: string;
  readonly orgId: string;
  readonly actor: string;
  readonly subject: string;
  readonly from: OrganizationRole | undefined;
  readonly to: OrganizationRole | undefined;
  readonly cause: 'founded' | 'invited' | 'assigned' | 'removed' | 'left';
  readonly changedAt: number;
  readonly requestId: string;
}

interface InvitationRow {
  id: string;
  org_id: string;
  user_id: string;
  role: OrganizationRole;
  invited_by: string;
  invited_at: number;
  expires_at: number;
  state: Invitation['state'];
}

export async function insertOrganization(tx: Transaction, organization: Organization): Promise<void> {
  await tx.sql('organization').insert({
    org_id: organization.orgId,
    name: organization.name,
    description: organization.description,
    website: organization.website ?? null,
    contact_email: organization.contactEmail ?? null,
    created_by: organization.createdBy,
    created_at: organization.createdAt,
  });
}

export async function findOrganizationName(db: Queryable, orgId: string): Promise<string | undefined> {
  return (await db.sql('organization').where({ org_id: orgId }).first<{ name: string } | undefined>('name'))?.name;
}

export async function organizationExists(db: Queryable, orgId: string): Promise<boolean> {
  return (await db.sql('organization').where({ org_id: orgId }).first('org_id')) !== undefined;
}

/** Makes changes of one organisation's membership wait for each other. */
export async function lockOrganization(tx: Transaction, orgId: string): Promise<void> {
  const query = tx.sql('organization').where({ org_id: orgId }).first<object | undefined>('org_id');
  await (tx.dialect === 'postgres' ? query.forNoKeyUpdate() : query);
}

export async function findMember(db: Queryable, orgId: string, userId: string): Promise<Member | undefined> {
  const row = await db.sql('organization_member').where({ org_id: orgId, user_id: userId }).first<{ role: OrganizationRole } | undefined>('role');
  return row === undefined ? undefined : { userId, role: row.role };
}

/** Members with one of these roles who are developers now, the named one left out. */
export async function listActiveMembers(db: Queryable, orgId: string, roles: readonly OrganizationRole[], except = ''): Promise<string[]> {
  return db
    .sql('organization_member')
    .join('developer_whitelist', 'developer_whitelist.user_id', 'organization_member.user_id')
    .where({ 'organization_member.org_id': orgId, 'developer_whitelist.state': 'listed' })
    .whereIn('organization_member.role', [...roles])
    .whereNot('organization_member.user_id', except)
    .orderBy('organization_member.user_id')
    .pluck<string[]>('organization_member.user_id');
}

export async function listMemberships(db: Queryable, userId: string): Promise<Membership[]> {
  const rows = await db
    .sql('organization_member')
    .join('organization', 'organization.org_id', 'organization_member.org_id')
    .where('organization_member.user_id', userId)
    .orderBy(['organization_member.joined_at', 'organization.org_id'])
    .select<{ org_id: string; name: string; role: OrganizationRole }[]>('organization.org_id', 'organization.name', 'organization_member.role');
  return rows.map((row) => ({ orgId: row.org_id, name: row.name, role: row.role }));
}

export async function insertMember(tx: Transaction, orgId: string, member: Member, now: number): Promise<void> {
  await tx.sql('organization_member').insert({ org_id: orgId, user_id: member.userId, role: member.role, joined_at: now });
}

export async function updateMember(tx: Transaction, orgId: string, member: Member): Promise<void> {
  await tx.sql('organization_member').where({ org_id: orgId, user_id: member.userId }).update({ role: member.role });
}

export async function deleteMember(tx: Transaction, orgId: string, userId: string): Promise<void> {
  await tx.sql('organization_member').where({ org_id: orgId, user_id: userId }).delete();
}

export async function insertRoleChange(tx: Transaction, change: RoleChangeRecord): Promise<void> {
  await tx.sql('role_change').insert({
    id: change.id,
    org_id: change.orgId,
    actor: change.actor,
    subject: change.subject,
    from_role: change.from ?? null,
    to_role: change.to ?? null,
    cause: change.cause,
    changed_at: change.changedAt,
    request_id: change.requestId,
  });
}

export async function insertInvitation(tx: Transaction, invitation: Invitation): Promise<void> {
  await tx.sql('organization_invitation').insert({
    id: invitation.id,
    org_id: invitation.orgId,
    user_id: invitation.userId,
    role: invitation.role,
    invited_by: invitation.invitedBy,
    invited_at: invitation.invitedAt,
    expires_at: invitation.expiresAt,
    state: invitation.state,
  });
}

export async function withdrawInvitations(tx: Transaction, orgId: string, userId: string, now: number): Promise<void> {
  await tx.sql('organization_invitation').where({ org_id: orgId, user_id: userId, state: 'pending' }).update({ state: 'withdrawn', answered_at: now });
}

/** Another user's invitation is not found. */
export async function findInvitation(db: Queryable, id: string, userId: string): Promise<Invitation | undefined> {
  const row = await db.sql('organization_invitation').where({ id, user_id: userId }).first<InvitationRow | undefined>();
  if (row === undefined) return undefined;
  return { id: row.id, orgId: row.org_id, userId: row.user_id, role: row.role, invitedBy: row.invited_by, invitedAt: row.invited_at, expiresAt: row.expires_at, state: row.state };
}

export async function markAccepted(tx: Transaction, id: string, now: number): Promise<boolean> {
  return (await tx.sql('organization_invitation').where({ id, state: 'pending' }).update({ state: 'accepted', answered_at: now })) === 1;
}
