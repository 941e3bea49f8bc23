import type { RoomTweenAuthorizationContent } from '../generated/events.ts';
import { unixSeconds } from '../kernel/clock.ts';
import type { UserId } from '../kernel/ids.ts';
import type { OutboundEvent } from '../matrix/port.ts';
import type { OAuthAudit } from './deps.ts';
import type { Session } from './session-repo.ts';

/** What a user took back from a mini-app. */
export interface RevokedScopes {
  readonly userId: UserId;
  readonly miniappId: string;
  readonly revokedScopes: readonly string[];
  readonly remainingScopes: readonly string[];
  readonly reason: string;
  readonly revokedAt: number;
}

/** The state event of section 5.6, for the user's own notice room; decision D11 puts the user into the content. */
export function authorizationRevokedEvent(revocation: RevokedScopes, matrixScopes: readonly string[]): OutboundEvent {
  const { userId, miniappId, revokedScopes, remainingScopes, reason, revokedAt } = revocation;
  const content: Omit<RoomTweenAuthorizationContent, 'delivery_id'> = {
    authorized: false,
    revoked_at: unixSeconds(revokedAt),
    revoked_scopes: [...revokedScopes],
    remaining_scopes: [...remainingScopes],
    reason,
    tmcp_scopes: [...revokedScopes],
    matrix_scopes: [...matrixScopes],
    sender: userId,
  };
  return { place: { noticesOf: userId }, speaker: 'bot', type: 'm.room.tween.authorization', stateKey: miniappId, content };
}

/** For the audit log. */
export const sessionOpened = (session: Session): OAuthAudit => ({
  action: session.privilegedUntil === undefined ? 'session.opened' : 'session.opened_privileged',
  clientId: session.clientId,
  userId: session.userId,
  sessionId: session.id,
  scopes: session.scopes,
  how: session.origin,
  privilegedUntil: session.privilegedUntil,
});
