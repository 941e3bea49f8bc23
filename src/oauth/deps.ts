import type { AsyncLocalStorage } from 'node:async_hooks';
import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import type { UserProof } from '../matrix/proof/index.ts';
import type { KeyRing } from '../security/key-ring.ts';
import type { AccessTokens, UserContext } from './access-tokens.ts';
import type { ClientDirectory } from './clients.ts';
import type { SigningKeys } from './keys.ts';
import type { LiveSessions } from './live-sessions.ts';

export interface OAuthOptions {
  /** `server.public_url`, without a trailing slash: the issuer of every token. */
  readonly issuer: string;
  /** Life of an access token: 24 h by default (section 4.10). */
  readonly accessTokenMs: number;
  /** Of one for a reserved audience: 1 h (decision D2). */
  readonly firstPartyTokenMs: number;
  /** The longest life of a token of another kind that our keys sign. */
  readonly otherTokenMs?: number;
  /** 30 days by default (section 4.15). */
  readonly refreshTokenMs: number;
  /** How long a question for consent can be answered. */
  readonly consentMs: number;
}

/** What the authorization server needs of the rest of the house. */
export interface OAuthDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly keyRing: KeyRing;
  readonly clients: ClientDirectory;
  readonly proof: UserProof;
  /** For the claim `user_context`; must answer quickly, and may not know. */
  readonly profileOf?: (userId: UserId) => Promise<UserContext | undefined>;
  /** Decision D22: whether the user may name this room. Asked for `miniapp_context.room_id`. */
  readonly mayNameRoom?: (userId: UserId, roomId: string) => Promise<boolean>;
  readonly options: OAuthOptions;
}

/** The same, and the parts that are built of it. */
export interface OAuthParts extends OAuthDeps {
  readonly keys: SigningKeys;
  readonly sessions: LiveSessions;
  readonly tokens: AccessTokens;
  readonly ambient: AsyncLocalStorage<Transaction>;
}
