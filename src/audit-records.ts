import type { ClientPrincipal, SessionPrincipal } from './http/index.ts';
import { isoTime } from './kernel/clock.ts';
import type { Actor } from './miniapps/index.ts';
import type { OAuthAudit } from './oauth/index.ts';
import type { AuditParty, AuditRecord } from './security/audit/index.ts';

// What the parts of the house say of themselves, in the words of the audit log.

export const registryActor = (by: Actor): AuditParty => ('admin' in by ? { kind: 'administrator', id: by.admin } : 'developer' in by ? { kind: 'developer', id: by.developer } : { kind: 'system', id: 'manifest' in by ? 'manifest' : by.system });

/** `admin:NAME`, as the developers' parts write who acted; anything else is no person. */
export const developerActor = (by: string): AuditParty => (by.startsWith('admin:') ? { kind: 'administrator', id: by.slice('admin:'.length) } : { kind: by === 'config' ? 'system' : 'command_line', id: by });

export const oauthRecord = (entry: OAuthAudit): AuditRecord => {
  const user = { kind: 'user', id: entry.userId ?? '' };
  if (entry.action === 'scopes.revoked') return { actor: user, action: entry.action, target: { kind: 'miniapp', id: entry.miniappId }, details: { scopes: entry.scopes, sessions: entry.sessions, reason: entry.reason } };
  if (entry.action === 'session.ended') return { actor: user, action: entry.action, target: { kind: 'session', id: entry.sessionId }, details: { reason: entry.reason } };
  const { clientId, userId, scopes, how, privilegedUntil } = entry;
  return {
    actor: userId === undefined ? { kind: 'client', id: clientId } : user,
    action: entry.action,
    target: { kind: 'session', id: entry.sessionId },
    details: { client_id: clientId, scopes, how, ...(privilegedUntil === undefined ? {} : { privileged_until: isoTime(privilegedUntil) }) },
  };
};

export const privilegedUse = (principal: SessionPrincipal | ClientPrincipal, operation: string): AuditRecord => ({
  actor: principal.kind === 'session' ? { kind: 'user', id: principal.userId } : { kind: 'client', id: principal.clientId },
  action: 'privileged_token.used',
  target: { kind: 'operation', id: operation },
  details: { client_id: principal.clientId, scopes: [...principal.scopes] },
});
