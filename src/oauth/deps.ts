import type { AsyncLocalStorage } from 'node:async_hooks';
import type { Database, Queryable, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import type { RoomEvents } from '../matrix/port.ts';
import type { MatrixTokens, SignIn } from '../matrix/sign-in/index.ts';
import type { UserProof } from '../matrix/proof/index.ts';
import type { KeyRing } from '../security/key-ring.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { ClientSession } from './client-session-repo.ts';
import type { ClientTokens } from './client-tokens.ts';
import type { ClientDirectory } from './clients.ts';
import type { DeveloperSignIn } from './developer-pages.ts';
import type { RevokedScopes } from './events.ts';
import type { SigningKeys } from './keys.ts';
import type { LimitOptions, Limits, LimitStore } from './limits.ts';
import type { LiveCache } from '../kernel/live-cache.ts';
import type { Wakes } from '../kernel/wakes.ts';
import type { Session } from './session-repo.ts';
import type { StepUp } from './step-up.ts';
import type { RoomStanding, UserContext } from './token-facts.ts';

export interface OAuthOptions {
  /** `server.public_url`, without a trailing slash: the issuer of every token. */
  readonly issuer: string;
  /** Life of an access token: 24 h by default (section 4.10). */
  readonly accessTokenMs: number;
  /** Of one for a reserved audience: 1 h (decision D2). */
  readonly firstPartyTokenMs: number;
  /** Of a client's own token, which has no refresh token: 1 h. */
  readonly clientTokenMs: number;
  /** Of a privileged token of an official app: 1 h by default, 24 h at most (decision D3). */
  readonly privilegedTokenMs: number;
  /** The longest life of a token of another kind that our keys sign. */
  readonly otherTokenMs?: number;
  /** 30 days by default (section 4.15). */
  readonly refreshTokenMs: number;
  /** How long a spent refresh token gets the same successor once more: 10 s (decision D3). */
  readonly refreshGraceMs: number;
  /** 60 s (RFC 6749 section 4.1.2). */
  readonly authorizationCodeMs: number;
  /** 15 min (section 4.3.2). */
  readonly deviceCodeMs: number;
  /** How long a browser stays signed in. */
  readonly browserSessionMs: number;
  /** What the homeserver is called where people sign in. */
  readonly homeserverName: string;
  readonly limits: LimitOptions;
  /** How long a question for consent can be answered. */
  readonly consentMs: number;
}

/** The limits of specification section 11.4. Each throws an AppError, with status 429, or 403 for a suspended user. */
export interface Admission {
  /** A request to a path of the authorization server, by its address and, as far as its header says which, its client. */
  request(method: string, path: string, clientId: string | undefined): Promise<void>;
  /** Tokens for a user and client, or for a client itself, as soon as it is known who they are for. */
  tokens(kind: 'token_generation' | 'token_refresh', userId: string | undefined, clientId: string): Promise<void>;
}

/** What the authorization server needs of the rest of the house. */
export interface OAuthDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly keyRing: KeyRing;
  readonly clients: ClientDirectory;
  readonly proof: UserProof;
  readonly signIn: SignIn;
  /** Second factors; nobody has one when absent. */
  readonly stepUp?: StepUp;
  /** Whether an administrator keeps this user out. */
  readonly isSuspended?: (db: Queryable, userId: string) => Promise<boolean>;
  /** How other instances hear of sessions that end; within a second, without. */
  readonly wakes?: Wakes;
  /** Keeps what lets us act for a user on behalf of a mini-app (section 4.16); when absent, nothing is asked for that would. */
  readonly actFor?: { keep(userId: UserId, miniappId: string, tokens: MatrixTokens): Promise<void> };
  /** The developer console's way to sign in; its paths do not exist when absent. */
  readonly developers?: DeveloperSignIn;
  /** Where attempts are counted; nowhere when absent. */
  readonly limitStore?: LimitStore;
  /** Limits on requests; none when absent. */
  readonly admission?: Admission;
  /** For the claim `user_context`; must answer quickly, and may not know. */
  readonly profileOf?: (userId: UserId) => Promise<UserContext | undefined>;
  /** For the claim `authorization_context`; must answer quickly, and may not know. */
  readonly standingOf?: (userId: UserId, roomId: string) => Promise<RoomStanding | undefined>;
  /** Decision D22: whether the user may name this room. Asked for `miniapp_context.room_id`. */
  readonly mayNameRoom?: (userId: UserId, roomId: string) => Promise<boolean>;
  readonly events: RoomEvents;
  /** Called in the transaction that withdraws scopes, for who else must hear of it: the mini-app's webhook (section 5.6). Returns the Matrix scopes that ended with them. */
  readonly onScopesRevoked?: (tx: Transaction, revocation: RevokedScopes) => Promise<readonly string[]>;
  /** Called in the transaction in which a user answers a question for consent with yes: for the user's devices. */
  readonly onScopesGranted?: (tx: Transaction, granted: { readonly userId: UserId; readonly miniappId: string; readonly scopes: readonly string[] }) => void;
  /** Writes what is given and taken into the audit log, in the transaction that does it. Without it nothing privileged is given. */
  readonly audit?: (tx: Transaction, entry: OAuthAudit) => Promise<void>;
  readonly options: OAuthOptions;
}

/** What the authorization server gives and takes. */
export type OAuthAudit =
  | {
      /** A privileged one: decision D3, specification section 16.9. */
      readonly action: 'session.opened' | 'session.opened_privileged';
      readonly clientId: string;
      /** Undefined for a session of the client itself. */
      readonly userId: string | undefined;
      readonly sessionId: string;
      readonly scopes: readonly string[];
      readonly how: string;
      readonly privilegedUntil: number | undefined;
    }
  | { readonly action: 'scopes.revoked'; readonly userId: string; readonly miniappId: string; readonly scopes: readonly string[]; readonly sessions: number; readonly reason: string }
  | { readonly action: 'session.ended'; readonly userId: string; readonly sessionId: string; readonly reason: string };

/** The same, and the parts that are built of it. */
export interface OAuthParts extends OAuthDeps {
  readonly stepUp: StepUp;
  readonly limits: Limits;
  /** Counts tokens that are about to be issued. @throws OAuthError */
  readonly admitTokens: (kind: 'token_generation' | 'token_refresh', userId: string | undefined, clientId: string) => Promise<void>;
  /** Sessions that a request will open if it comes to a code, by the library's request context. */
  readonly drafts: WeakMap<object, Omit<Session, 'walletId'>>;
  readonly keys: SigningKeys;
  readonly sessions: LiveCache<Session>;
  readonly clientSessions: LiveCache<ClientSession>;
  readonly tokens: AccessTokens;
  readonly clientTokens: ClientTokens;
  readonly ambient: AsyncLocalStorage<Transaction>;
  /** The session that an access token was issued with, when it was opened just now: another exchange may have replaced it since. */
  readonly openedWith: WeakMap<object, Session>;
}
