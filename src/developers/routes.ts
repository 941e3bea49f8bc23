import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { isUserId, type UserId } from '../kernel/ids.ts';
import type { Invitation, Organization } from './organization-repo.ts';
import type { Actor, Organizations } from './organizations.ts';
import type { OrganizationRole } from './roles.ts';
import type { Whitelist } from './whitelist.ts';
import type { WhitelistEntry } from './whitelist-repo.ts';

export interface DeveloperRoutesDependencies {
  readonly whitelist: Whitelist;
  readonly organizations: Organizations;
  readonly clock: Clock;
}

const byAdmin = (request: ApiRequest): string => `admin:${principalOf(request, 'admin').name}`;
const actorIn = (request: ApiRequest): Actor => ({ userId: principalOf(request, 'developer').userId, requestId: request.requestId });
const reasonIn = (fields: unknown): string | undefined => (fields as { reason?: string }).reason;

function userIdIn(fields: unknown): UserId {
  const { matrix_user_id: userId } = fields as { matrix_user_id: string };
  if (!isUserId(userId)) throw invalidField('matrix_user_id', 'is not a Matrix user id');
  return userId;
}

const entryBody = ({ userId, addedBy, addedAt, reason }: WhitelistEntry): object => ({
  developer_id: userId,
  matrix_user_id: userId,
  status: 'active',
  added_by: addedBy,
  added_at: isoTime(addedAt),
  ...(reason === undefined ? {} : { reason }),
});

const organizationBody = (organization: Organization): object => ({
  org_id: organization.orgId,
  name: organization.name,
  description: organization.description,
  ...(organization.website === undefined ? {} : { website: organization.website }),
  ...(organization.contactEmail === undefined ? {} : { contact_email: organization.contactEmail }),
  created_by: organization.createdBy,
  created_at: isoTime(organization.createdAt),
  roles: [{ matrix_user_id: organization.createdBy, role: 'admin' }],
});

const invitationBody = (invitation: Invitation): object => ({
  invitation_id: invitation.id,
  org_id: invitation.orgId,
  matrix_user_id: invitation.userId,
  role: invitation.role,
  invited_by: invitation.invitedBy,
  invited_at: isoTime(invitation.invitedAt),
  expires_at: isoTime(invitation.expiresAt),
  status: invitation.state,
});

/** Administrators' part: who may be a developer (sections 4.4.8 and 4.4.9). */
function whitelistRoutes({ whitelist, clock }: DeveloperRoutesDependencies): Routes {
  return {
    listDeveloperWhitelist: async ({ query }) => {
      const page = query as { limit: number; offset: number };
      const { entries, total } = await whitelist.list(page);
      return answer({ developers: entries.map(entryBody), pagination: { total, ...page, has_more: page.offset + entries.length < total } });
    },
    addDeveloper: async (request) => {
      const { entry, isNew } = await whitelist.add(userIdIn(request.body), byAdmin(request), reasonIn(request.body));
      return answer(entryBody(entry), isNew ? 201 : 200);
    },
    removeDeveloper: async (request) => {
      const developerId = request.path.developer_id as string;
      const ended = await whitelist.remove(developerId, byAdmin(request), reasonIn(request.query));
      return answer({ developer_id: developerId, status: 'removed', revoked_sessions: ended, removed_at: isoTime(clock.now()) });
    },
    revokeDeveloper: async (request) => {
      const developerId = request.path.developer_id as string;
      const ended = await whitelist.revokeTokens(developerId, byAdmin(request), reasonIn(request.body));
      return answer({ developer_id: developerId, revoked_sessions: ended, revoked_at: isoTime(clock.now()) });
    },
  };
}

/** Organisations and their members (section 4.4.4). */
function organizationRoutes({ organizations }: DeveloperRoutesDependencies): Routes {
  const orgIn = (request: ApiRequest): string => request.path.org_id as string;
  const memberIn = (request: ApiRequest): string => request.path.user_id as string;
  return {
    createOrganization: async (request) => {
      const body = request.body as { name: string; description?: string; website?: string; contact_email?: string };
      const fields = { name: body.name, description: body.description ?? '', website: body.website, contactEmail: body.contact_email };
      return answer(organizationBody(await organizations.found(actorIn(request), fields)), 201);
    },
    inviteMember: async (request) => {
      const { role } = request.body as { role: OrganizationRole };
      return answer(invitationBody(await organizations.invite(actorIn(request), orgIn(request), userIdIn(request.body), role)), 201);
    },
    acceptInvitation: async (request) => answer(invitationBody(await organizations.accept(actorIn(request), request.path.invitation_id as string))),
    changeMemberRole: async (request) => {
      const { role } = request.body as { role: OrganizationRole };
      await organizations.changeRole(actorIn(request), orgIn(request), memberIn(request), role);
      return answer({ org_id: orgIn(request), matrix_user_id: memberIn(request), role });
    },
    removeMember: async (request) => {
      await organizations.changeRole(actorIn(request), orgIn(request), memberIn(request), undefined);
      return answer({ org_id: orgIn(request), matrix_user_id: memberIn(request), status: 'removed' });
    },
  };
}

/** `/admin/…developers` and `/organizations/v1`. */
export const developerRoutes = (deps: DeveloperRoutesDependencies): Routes => ({ ...whitelistRoutes(deps), ...organizationRoutes(deps) });
