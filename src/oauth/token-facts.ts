import { errorText } from '../kernel/errors.ts';
import { isoTime } from '../kernel/clock.ts';
import { isReservedAudience } from './clients.ts';
import { listApprovals, type Approval } from './consent-repo.ts';
import type { OAuthParts } from './deps.ts';
import { scopeDefinitions } from './scopes.ts';
import type { Session } from './session-repo.ts';

export interface UserContext {
  readonly displayName: string | undefined;
  readonly avatarUrl: string | undefined;
}

/** What the user is and may do in the room of the launch. */
export interface RoomStanding {
  readonly role: string;
  readonly maySend: boolean;
  readonly mayInvite: boolean;
  readonly mayRedact: boolean;
}

/** What a token says for its reader's convenience: nothing of it is ever believed when the token comes back. */
export interface TokenFacts {
  readonly userContext?: UserContext | undefined;
  readonly room?: { readonly roomId: string; readonly standing: RoomStanding } | undefined;
  readonly approvals?: readonly Approval[];
}

async function quietly<T>(parts: OAuthParts, what: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    parts.log.warn({ error: errorText(error) }, what);
    return undefined;
  }
}

async function roomOf(parts: OAuthParts, session: Session): Promise<TokenFacts['room']> {
  const roomId = session.context?.room_id;
  const { standingOf } = parts;
  if (typeof roomId !== 'string' || standingOf === undefined) return undefined;
  const standing = await quietly(parts, 'no standing for authorization_context', () => standingOf(session.userId, roomId));
  return standing === undefined ? undefined : { roomId, standing };
}

/** What the user agreed to, of these scopes: those that nobody is asked for have no history. */
async function approvalsOf(parts: OAuthParts, session: Session, scopes: readonly string[]): Promise<readonly Approval[]> {
  if (isReservedAudience(session.audience) || scopes.every((scope) => scopeDefinitions[scope]?.preApproved === true)) return [];
  return (await listApprovals(parts.database, session.userId, session.audience)).filter(({ scope }) => scopes.includes(scope));
}

/** Asks whoever knows; who does not answer quickly is left out. */
export async function gatherFacts(parts: OAuthParts, session: Session, scopes: readonly string[]): Promise<TokenFacts> {
  const { profileOf } = parts;
  const [userContext, room, approvals] = await Promise.all([
    profileOf === undefined || !scopes.includes('user:read') ? undefined : quietly(parts, 'no profile for user_context', () => profileOf(session.userId)),
    roomOf(parts, session),
    approvalsOf(parts, session, scopes),
  ]);
  return { userContext, room, approvals };
}

/** Claims of sections 4.10 and 5.7. */
export function factClaims({ userContext, room, approvals = [] }: TokenFacts): Readonly<Record<string, unknown>> {
  return {
    ...(userContext === undefined ? {} : { user_context: { display_name: userContext.displayName, avatar_url: userContext.avatarUrl } }),
    ...(room === undefined
      ? {}
      : {
          authorization_context: {
            room_id: room.roomId,
            roles: [room.standing.role],
            permissions: { can_send_messages: room.standing.maySend, can_invite_users: room.standing.mayInvite, can_edit_messages: room.standing.mayRedact },
          },
        }),
    ...(approvals.length === 0 ? {} : { approval_history: approvals.map(({ scope, approvedAt, method }) => ({ scope, approved_at: isoTime(approvedAt), approval_method: method })) }),
  };
}
