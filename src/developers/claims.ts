import { unixSeconds } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';
import type { Membership } from './organization-repo.ts';
import type { DeveloperSession } from './repo.ts';

/** Section 4.4.2. */
export const developerTokenType = 'developer_token';
export const developerAudience = 'tmcp_developer_api';

/** A developer's own role and permissions: what anybody on the whitelist may do with mini-apps of their own. */
export const developerRoles = ['developer'];
const developerPermissions = ['miniapp:register', 'miniapp:manage', 'webhook:configure'];

/** A token has to fit a header; more than these are looked up, as all of them are when it matters. */
const maxClaimedOrganizations = 20;

export const organizationClaims = (memberships: readonly Membership[]): object[] => memberships.map(({ orgId, name, role }) => ({ org_id: orgId, name, role }));

export interface DeveloperClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string;
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  readonly jti: string;
  readonly token_type: string;
  readonly session_id: string;
  readonly [claim: string]: unknown;
}

/** The payload of section 4.4.2. Roles, organisations and permissions are for the reader: no endpoint decides by them (decision D23). */
export function developerClaims(issuer: string, now: number, lifetimeMs: number, session: DeveloperSession, memberships: readonly Membership[]): DeveloperClaims {
  const nowSeconds = unixSeconds(now);
  return {
    iss: issuer,
    sub: session.userId,
    aud: developerAudience,
    exp: nowSeconds + Math.floor(lifetimeMs / 1000),
    iat: nowSeconds,
    nbf: nowSeconds,
    jti: newId('dev-token'),
    token_type: developerTokenType,
    developer_id: session.userId,
    roles: developerRoles,
    organizations: organizationClaims(memberships.slice(0, maxClaimedOrganizations)),
    permissions: developerPermissions,
    session_id: session.id,
  };
}
