import { asUserId, localpartOf, serverNameOf, type MiniAppId, type RoomAlias, type UserId } from '../kernel/ids.ts';
import type { Speaker } from './port.ts';

/** Our names on the homeserver (specification section 3.1.2, decision D11). */
export interface OwnNames {
  readonly domain: string;
  readonly bot: UserId;
  readonly payments: UserId;
  readonly catalogueAlias: RoomAlias;
  userOf(speaker: Speaker): UserId;
  miniappUser(miniappId: MiniAppId): UserId;
  /** One of our virtual users, on this homeserver. */
  isOurs(userId: UserId): boolean;
}

export function ownNames(domain: string, senderLocalpart: string, catalogueLocalpart: string): OwnNames {
  const bot = asUserId(`@${senderLocalpart}:${domain}`);
  const payments = asUserId(`@_tmcp_payments:${domain}`);
  const miniappUser = (miniappId: MiniAppId): UserId => asUserId(`@${miniappId}:${domain}`);
  return {
    domain,
    bot,
    payments,
    catalogueAlias: `#${catalogueLocalpart}:${domain}` as RoomAlias,
    miniappUser,
    userOf: (speaker) => (speaker === 'bot' ? bot : speaker === 'payments' ? payments : miniappUser(speaker.miniapp)),
    isOurs: (userId) => serverNameOf(userId) === domain && isServiceLocalpart(localpartOf(userId)),
  };
}

/** Localparts of this or any other TMCP server's users: what they say is never answered, or two servers would talk for ever. */
export const isServiceLocalpart = (localpart: string): boolean => localpart.startsWith('_tmcp') || localpart.startsWith('ma_');
