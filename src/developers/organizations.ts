import type { Database, Queryable, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import {
  deleteMember,
  findInvitation,
  findMember,
  insertInvitation,
  insertMember,
  insertOrganization,
  insertRoleChange,
  listActiveMembers,
  listMemberships,
  lockOrganization,
  markAccepted,
  updateMember,
  withdrawInvitations,
  type Invitation,
  type Membership,
  type Organization,
  type RoleChangeRecord,
} from './organization-repo.ts';
import { decideRoleChange, may, rolesWith, type OrganizationRole, type Permission, type RoleVerdict } from './roles.ts';

export interface OrganizationsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  /** Life of an invitation: 7 days (section 4.4.8). */
  readonly invitationMs: number;
  /** A member may no longer manage what the organisation owns. Part of the same transaction. */
  readonly onAccessLost: (tx: Transaction, userId: string, orgId: string) => Promise<void>;
  /** For the audit log, in the same transaction. */
  readonly onRoleChanged: (tx: Transaction, change: RoleChange) => Promise<void>;
}

export type RoleChange = Omit<RoleChangeRecord, 'id'>;

/** Who acts, and in which request: for the record of role changes. */
export interface Actor {
  readonly userId: UserId;
  readonly requestId: string;
}

export interface NewOrganization {
  readonly name: string;
  readonly description: string;
  readonly website: string | undefined;
  readonly contactEmail: string | undefined;
}

/** Organisations of developers (section 4.4.4). An organisation exists for its members only: to everybody else it is NOT_FOUND. */
export interface Organizations {
  /** Whoever founds an organisation is its first admin. */
  found(actor: Actor, organization: NewOrganization): Promise<Organization>;
  /** The same, as part of something else. */
  foundIn(tx: Transaction, actor: Actor, organization: NewOrganization): Promise<Organization>;
  /** @throws AppError NOT_FOUND, INSUFFICIENT_PERMISSIONS, ALREADY_EXISTS for a member */
  invite(actor: Actor, orgId: string, userId: UserId, role: OrganizationRole): Promise<Invitation>;
  /** @throws AppError NOT_FOUND (another's, too), INVITATION_EXPIRED, INVALID_STATE_TRANSITION when used, replaced, or its author no longer may */
  accept(actor: Actor, invitationId: string): Promise<Invitation>;
  /** `to` undefined ends the membership. @throws AppError NOT_FOUND, INSUFFICIENT_PERMISSIONS, LAST_ADMIN */
  changeRole(actor: Actor, orgId: string, subject: string, to: OrganizationRole | undefined): Promise<void>;
  membershipsOf(db: Queryable, userId: UserId): Promise<Membership[]>;
  /** @throws AppError NOT_FOUND for who is no member, INSUFFICIENT_PERMISSIONS for a role without the permission */
  require(db: Queryable, userId: UserId, orgId: string, permission: Permission): Promise<void>;
  /** Whether the user is a member with a role that holds the permission. */
  permits(db: Queryable, userId: UserId, orgId: string, permission: Permission): Promise<boolean>;
  /** Who holds the permission and is a developer now. */
  holdersOf(db: Queryable, orgId: string, permission: Permission): Promise<string[]>;
}

const unknownOrganization = (): AppError => new AppError('NOT_FOUND', 'No such organization');

const lacking = (permission: Permission): AppError =>
  new AppError('INSUFFICIENT_PERMISSIONS', `Developer does not have required permission: ${permission}`, { details: { required_permission: permission } });

function refusalOf(verdict: Exclude<RoleVerdict, 'allowed' | 'unchanged'>): AppError {
  switch (verdict) {
    case 'not_a_member':
      return unknownOrganization();
    case 'no_such_member':
      return new AppError('NOT_FOUND', 'No such member');
    case 'not_permitted':
      return lacking('member:manage');
    case 'last_admin':
      return new AppError('LAST_ADMIN', 'An organization keeps at least one admin who is an active developer');
  }
}

async function record({ onRoleChanged }: OrganizationsDependencies, tx: Transaction, change: RoleChange): Promise<void> {
  await insertRoleChange(tx, { ...change, id: newId('rch') });
  await onRoleChanged(tx, change);
}

async function foundIn(deps: OrganizationsDependencies, tx: Transaction, actor: Actor, fields: NewOrganization): Promise<Organization> {
  const now = deps.clock.now();
  const organization: Organization = { ...fields, orgId: newId('org'), createdBy: actor.userId, createdAt: now };
  await insertOrganization(tx, organization);
  await insertMember(tx, organization.orgId, { userId: actor.userId, role: 'admin' }, now);
  await record(deps, tx, { orgId: organization.orgId, actor: actor.userId, subject: actor.userId, from: undefined, to: 'admin', cause: 'founded', changedAt: now, requestId: actor.requestId });
  return organization;
}

async function requirePermission(db: Queryable, userId: UserId, orgId: string, permission: Permission): Promise<void> {
  const member = await findMember(db, orgId, userId);
  if (member === undefined) throw unknownOrganization();
  if (!may(member.role, permission)) throw lacking(permission);
}

async function invite({ clock, invitationMs }: OrganizationsDependencies, tx: Transaction, actor: Actor, orgId: string, userId: UserId, role: OrganizationRole): Promise<Invitation> {
  await lockOrganization(tx, orgId);
  await requirePermission(tx, actor.userId, orgId, 'member:invite');
  if ((await findMember(tx, orgId, userId)) !== undefined) throw new AppError('ALREADY_EXISTS', 'This user is a member already');
  const now = clock.now();
  const invitation: Invitation = { id: newId('inv'), orgId, userId, role, invitedBy: actor.userId, invitedAt: now, expiresAt: now + invitationMs, state: 'pending' };
  await withdrawInvitations(tx, orgId, userId, now);
  await insertInvitation(tx, invitation);
  return invitation;
}

async function accept(deps: OrganizationsDependencies, tx: Transaction, actor: Actor, invitationId: string): Promise<Invitation> {
  const found = await findInvitation(tx, invitationId, actor.userId);
  if (found === undefined) throw new AppError('NOT_FOUND', 'No such invitation');
  await lockOrganization(tx, found.orgId);
  const now = deps.clock.now();
  if (found.expiresAt <= now) throw new AppError('INVITATION_EXPIRED', 'The invitation has expired');
  const inviters = await listActiveMembers(tx, found.orgId, rolesWith('member:invite'));
  const stillStands = inviters.includes(found.invitedBy) && (await markAccepted(tx, found.id, now));
  if (!stillStands) throw new AppError('INVALID_STATE_TRANSITION', 'The invitation no longer stands');
  await insertMember(tx, found.orgId, { userId: actor.userId, role: found.role }, now);
  await record(deps, tx, { orgId: found.orgId, actor: found.invitedBy, subject: actor.userId, from: undefined, to: found.role, cause: 'invited', changedAt: now, requestId: actor.requestId });
  return { ...found, state: 'accepted' };
}

async function changeRole(deps: OrganizationsDependencies, tx: Transaction, actor: Actor, orgId: string, subjectId: string, to: OrganizationRole | undefined): Promise<void> {
  await lockOrganization(tx, orgId);
  const subject = await findMember(tx, orgId, subjectId);
  const verdict = decideRoleChange({
    actor: await findMember(tx, orgId, actor.userId),
    subject,
    to,
    otherAdmins: (await listActiveMembers(tx, orgId, ['admin'], subjectId)).length,
  });
  if (verdict === 'unchanged') return;
  if (verdict !== 'allowed') throw refusalOf(verdict);
  if (to === undefined) await deleteMember(tx, orgId, subjectId);
  else await updateMember(tx, orgId, { userId: subjectId, role: to });
  const cause = to !== undefined ? 'assigned' : subjectId === actor.userId ? 'left' : 'removed';
  await record(deps, tx, { orgId, actor: actor.userId, subject: subjectId, from: subject?.role, to, cause, changedAt: deps.clock.now(), requestId: actor.requestId });
  if (may(subject?.role, 'miniapp:manage') && !may(to, 'miniapp:manage')) await deps.onAccessLost(tx, subjectId, orgId);
}

export function createOrganizations(deps: OrganizationsDependencies): Organizations {
  const { database } = deps;
  return {
    found: (actor, organization) => database.inTransaction((tx) => foundIn(deps, tx, actor, organization)),
    foundIn: (tx, actor, organization) => foundIn(deps, tx, actor, organization),
    invite: (actor, orgId, userId, role) => database.inTransaction((tx) => invite(deps, tx, actor, orgId, userId, role)),
    accept: (actor, invitationId) => database.inTransaction((tx) => accept(deps, tx, actor, invitationId)),
    changeRole: (actor, orgId, subject, to) => database.inTransaction((tx) => changeRole(deps, tx, actor, orgId, subject, to)),
    membershipsOf: listMemberships,
    require: requirePermission,
    permits: async (db, userId, orgId, permission) => may((await findMember(db, orgId, userId))?.role, permission),
    holdersOf: (db, orgId, permission) => listActiveMembers(db, orgId, rolesWith(permission)),
  };
}
