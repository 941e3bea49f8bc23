import { createHash } from 'node:crypto';
import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { equalSecrets, newId, newSecret, sha256Hex, type UserId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import type { RecordAudit } from '../security/audit/index.ts';
import { developerAudience, developerClaims, developerTokenType, type DeveloperClaims } from './claims.ts';
import type { Console } from './console.ts';
import type { Membership } from './organization-repo.ts';
import type { Organizations } from './organizations.ts';
import {
  consumeCode,
  consumeRefreshToken,
  endSessions,
  ensureDeveloper,
  extendSession,
  findCode,
  findLiveSession,
  findRefreshToken,
  findSession,
  insertCode,
  insertRefreshToken,
  insertSession,
  type DeveloperSession,
} from './repo.ts';
import { lockListed } from './whitelist-repo.ts';

/** Signs and verifies JWTs with the server's published keys. */
export interface TokenSigner {
  sign(claims: DeveloperClaims): Promise<string>;
  /** The claims of a token of ours and of this type that is in force; undefined for anything else. */
  verify(jwt: string, tokenType: string): Promise<Readonly<Record<string, unknown>> | undefined>;
}

export interface DeveloperTokensDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly console: Console;
  readonly organizations: Organizations;
  readonly signer: TokenSigner;
  readonly audit: RecordAudit;
  /** Before tokens are issued to somebody who is known now; never in a transaction. None when absent. @throws AppError RATE_LIMIT_EXCEEDED, ACCOUNT_SUSPENDED */
  readonly admit?: (kind: 'token_generation' | 'token_refresh', userId: UserId, clientId: string) => Promise<void>;
  readonly options: {
    readonly issuer: string;
    /** 24 h at most (section 4.4.8). */
    readonly accessTokenMs: number;
    readonly refreshTokenMs: number;
    readonly codeMs: number;
  };
}

/** What a sign-in or a refresh gives (sections 4.4.3, 4.4.5). */
export interface IssuedTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresInSeconds: number;
  readonly userId: UserId;
  readonly memberships: readonly Membership[];
}

export interface CodeRequest {
  readonly userId: UserId;
  readonly clientId: string;
  readonly redirectUri: string;
  /** S256 (RFC 7636 section 4.2). */
  readonly codeChallenge: string;
}

export interface CodeRedemption {
  readonly clientId: string;
  readonly code: string;
  readonly redirectUri: string;
  readonly codeVerifier: string;
}

export interface DeveloperTokens {
  /** Signs in somebody who has just proven who they are. @throws AppError developer_not_whitelisted */
  signIn(userId: UserId, clientId: string, requestId: string): Promise<IssuedTokens>;
  /**
   * For the sign-in page: a code for a user who has signed in there, for the console to redeem.
   * @throws AppError invalid_client for an unknown console or address, developer_not_whitelisted
   */
  issueDeveloperCode(request: CodeRequest): Promise<string>;
  /** @throws AppError invalid_grant, developer_not_whitelisted */
  redeem(redemption: CodeRedemption, requestId: string): Promise<IssuedTokens>;
  /** @throws AppError invalid_grant, developer_not_whitelisted */
  refresh(refreshToken: string, clientId: string): Promise<IssuedTokens>;
  /** @throws AppError invalid_developer_token */
  verify(token: string): Promise<{ readonly userId: UserId; readonly developerId: string; readonly sessionId: string }>;
  /** Ends the sign-in to which a developer token or refresh token belongs. `of`: only this developer's. @throws AppError INSUFFICIENT_PERMISSIONS for another's */
  revoke(token: string, of: UserId | undefined): Promise<void>;
}

export const developerPrefix = 'dev.';
export const refreshPrefix = 'rt_dev_';

const newSessionId = (): string => newId('dvs');
const invalidGrant = (): AppError => new AppError('invalid_grant', 'The grant is invalid, expired or was used before');
const notWhitelisted = (): AppError => new AppError('developer_not_whitelisted', 'This user is not on the developer whitelist');

/** RFC 7636 section 4.6. */
const isVerifierOf = (verifier: string, challenge: string): boolean => equalSecrets(createHash('sha256').update(verifier).digest('base64url'), challenge);

/** What a transaction hands out, to be signed after its commit. */
interface Opened {
  readonly session: DeveloperSession;
  readonly refreshToken: string;
  readonly memberships: readonly Membership[];
}

async function addRefreshToken(tx: Transaction, session: DeveloperSession): Promise<string> {
  const refreshToken = newSecret(refreshPrefix);
  await insertRefreshToken(tx, { hash: sha256Hex(refreshToken), sessionId: session.id, expiresAt: session.expiresAt });
  return refreshToken;
}

/** A new developer who belongs nowhere gets an organisation of their own (section 4.4.3, step 4). */
async function makeProfile({ organizations, clock }: DeveloperTokensDependencies, tx: Transaction, userId: UserId, requestId: string): Promise<void> {
  const isNew = await ensureDeveloper(tx, userId, clock.now());
  if (!isNew || (await organizations.membershipsOf(tx, userId)).length > 0) return;
  await organizations.foundIn(tx, { userId, requestId }, { name: userId, description: '', website: undefined, contactEmail: undefined });
}

async function openSession(deps: DeveloperTokensDependencies, tx: Transaction, who: { sessionId: string; userId: UserId; clientId: string; requestId: string }): Promise<Opened> {
  const { clock, options, organizations } = deps;
  if (!(await lockListed(tx, who.userId))) throw notWhitelisted();
  await makeProfile(deps, tx, who.userId, who.requestId);
  const now = clock.now();
  const session: DeveloperSession = { id: who.sessionId, userId: who.userId, clientId: who.clientId, createdAt: now, expiresAt: now + options.refreshTokenMs };
  await insertSession(tx, session);
  await deps.audit(tx, { actor: { kind: 'developer', id: session.userId }, action: 'developer_session.opened', target: { kind: 'session', id: session.id }, details: { client_id: session.clientId } });
  return { session, refreshToken: await addRefreshToken(tx, session), memberships: await organizations.membershipsOf(tx, who.userId) };
}

/** Whether it was open until now. */
async function endSession({ clock, audit }: DeveloperTokensDependencies, tx: Transaction, { id, userId }: Pick<DeveloperSession, 'id' | 'userId'>, reason: string): Promise<boolean> {
  if ((await endSessions(tx, { id }, clock.now())) === 0) return false;
  await audit(tx, { actor: { kind: 'developer', id: userId }, action: 'developer_session.ended', target: { kind: 'session', id }, details: { reason } });
  return true;
}

/** Undefined when the code is not good. One that was used before also ends what came of it: somebody else has it too (RFC 9700). */
async function redeem(deps: DeveloperTokensDependencies, tx: Transaction, redemption: CodeRedemption, requestId: string): Promise<Opened | undefined> {
  const now = deps.clock.now();
  const hash = sha256Hex(redemption.code);
  const code = await findCode(tx, hash);
  if (code === undefined || code.clientId !== redemption.clientId || code.redirectUri !== redemption.redirectUri) return undefined;
  const isNew = code.sessionId === undefined;
  if (isNew && (code.expiresAt <= now || !isVerifierOf(redemption.codeVerifier, code.codeChallenge))) return undefined;
  const sessionId = newSessionId();
  if (isNew && (await consumeCode(tx, hash, sessionId, now))) return openSession(deps, tx, { sessionId, userId: code.userId, clientId: code.clientId, requestId });
  const first = (await findCode(tx, hash))?.sessionId;
  if (first !== undefined) await endSession(deps, tx, { id: first, userId: code.userId }, 'code_used_twice');
  tx.afterCommit(() => deps.log.warn({ developer: code.userId, session: first }, 'developer code used twice, tokens revoked'));
  return undefined;
}

/** Undefined when the token is not good; one that was used before ends the whole sign-in: one of its two holders is a thief. */
async function rotate(deps: DeveloperTokensDependencies, tx: Transaction, refreshToken: string, clientId: string): Promise<Opened | undefined> {
  const now = deps.clock.now();
  const hash = sha256Hex(refreshToken);
  const found = await findRefreshToken(tx, hash);
  const session = found === undefined ? undefined : await findSession(tx, found.sessionId);
  if (found === undefined || session === undefined || session.clientId !== clientId) return undefined;
  if (!(await lockListed(tx, session.userId))) throw notWhitelisted();
  if (session.isRevoked || session.expiresAt <= now || found.expiresAt <= now) return undefined;
  if (!(await consumeRefreshToken(tx, hash, now))) {
    await endSession(deps, tx, session, 'refresh_token_used_twice');
    tx.afterCommit(() => deps.log.warn({ developer: session.userId, session: session.id }, 'developer refresh token used twice, tokens revoked'));
    return undefined;
  }
  const extended = { ...session, expiresAt: now + deps.options.refreshTokenMs };
  await extendSession(tx, session.id, extended.expiresAt);
  return { session: extended, refreshToken: await addRefreshToken(tx, extended), memberships: await deps.organizations.membershipsOf(tx, session.userId) };
}

async function issue({ clock, log, signer, options }: DeveloperTokensDependencies, opened: Opened | undefined, how: string): Promise<IssuedTokens> {
  if (opened === undefined) throw invalidGrant();
  const { session, refreshToken, memberships } = opened;
  const claims = developerClaims(options.issuer, clock.now(), options.accessTokenMs, session, memberships);
  const accessToken = developerPrefix + (await signer.sign(claims));
  log.info({ developer: session.userId, session: session.id, jti: claims.jti, client: session.clientId, how }, 'developer token issued');
  return { accessToken, refreshToken, expiresInSeconds: claims.exp - claims.iat, userId: session.userId, memberships };
}

/** The claims of a developer token that is in force, as far as the token alone can tell. */
async function readToken(signer: TokenSigner, token: string): Promise<{ readonly sub: unknown; readonly sessionId: string } | undefined> {
  if (!token.startsWith(developerPrefix)) return undefined;
  const claims = await signer.verify(token.slice(developerPrefix.length), developerTokenType);
  return claims?.aud === developerAudience && typeof claims.session_id === 'string' ? { sub: claims.sub, sessionId: claims.session_id } : undefined;
}

/** Tokens of developers (sections 4.4.2 to 4.4.7). */
export function createDeveloperTokens(deps: DeveloperTokensDependencies): DeveloperTokens {
  const { database, clock, log, console, signer, options } = deps;
  return {
    async signIn(userId, clientId, requestId) {
      await deps.admit?.('token_generation', userId, clientId);
      return issue(deps, await database.inTransaction((tx) => openSession(deps, tx, { sessionId: newSessionId(), userId, clientId, requestId })), 'matrix_token');
    },
    async issueDeveloperCode({ userId, clientId, redirectUri, codeChallenge }) {
      if (!console.isTarget(clientId, redirectUri)) throw new AppError('invalid_client', 'Unknown client or redirect_uri');
      const code = newSecret('dc_');
      await database.inTransaction(async (tx) => {
        if (!(await lockListed(tx, userId))) throw notWhitelisted();
        await insertCode(tx, { hash: sha256Hex(code), userId, clientId, redirectUri, codeChallenge, expiresAt: clock.now() + options.codeMs });
      });
      return code;
    },
    async redeem(redemption, requestId) {
      const code = deps.admit === undefined ? undefined : await findCode(database, sha256Hex(redemption.code));
      if (code?.clientId === redemption.clientId) await deps.admit?.('token_generation', code.userId, code.clientId);
      return issue(deps, await database.inTransaction((tx) => redeem(deps, tx, redemption, requestId)), 'code');
    },
    async refresh(refreshToken, clientId) {
      const found = deps.admit === undefined ? undefined : await findRefreshToken(database, sha256Hex(refreshToken));
      const session = found === undefined ? undefined : await findSession(database, found.sessionId);
      if (session?.clientId === clientId) await deps.admit?.('token_refresh', session.userId, clientId);
      return issue(deps, await database.inTransaction((tx) => rotate(deps, tx, refreshToken, clientId)), 'refresh');
    },
    async verify(token) {
      const claims = await readToken(signer, token);
      // Not cached: whoever is removed, here or at another instance, is out with the next request.
      const session = claims === undefined ? undefined : await findLiveSession(database, claims.sessionId, clock.now());
      if (session === undefined || claims?.sub !== session.userId) throw new AppError('invalid_developer_token', 'Developer token is invalid or expired');
      return { userId: session.userId, developerId: session.userId, sessionId: session.id };
    },
    async revoke(token, of) {
      const sessionId = token.startsWith(refreshPrefix) ? (await findRefreshToken(database, sha256Hex(token)))?.sessionId : (await readToken(signer, token))?.sessionId;
      const session = sessionId === undefined ? undefined : await findSession(database, sessionId);
      if (session === undefined) return;
      if (of !== undefined && session.userId !== of) throw new AppError('INSUFFICIENT_PERMISSIONS', 'This token is not yours');
      if (await database.inTransaction((tx) => endSession(deps, tx, session, 'revoked'))) log.info({ developer: session.userId, session: session.id }, 'developer token revoked');
    },
  };
}
