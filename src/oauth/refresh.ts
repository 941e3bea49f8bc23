import { errors, type Client, type KoaContextWithOIDC, type Provider, type RefreshToken } from 'oidc-provider';
import type { Transaction } from '../database/index.ts';
import { randomPublicBytes, sha256Hex } from '../kernel/ids.ts';
import { apiResource, refreshTokenPrefix } from './adapter.ts';
import { ourClient } from './client-metadata.ts';
import { isAvailableTo } from './clients.ts';
import type { OAuthParts } from './deps.ts';
import { claimRetry, spendRefreshToken } from './rotation-repo.ts';
import { obtainableScopes, parseScopes } from './scopes.ts';
import { extendSession, findLiveSession, markRevoked, sessionSlackMs, type Session } from './session-repo.ts';

const refreshGrant = 'refresh_token';

interface RefreshRequest {
  readonly value: string;
  readonly tokenHash: string;
  /** Of what is asked for. */
  readonly hash: string;
}

interface Rotated {
  readonly session: Session;
  readonly refreshToken: string;
}

/** The successor of a token: the same for the same salt, and known to nobody who has not both token and salt. */
const successorOf = (parts: OAuthParts, value: string, salt: string): string => `${refreshTokenPrefix}${parts.keyRing.mac('refresh-successor', `${salt} ${value}`)}`;

/** Checks what the request alone can tell. Throws invalid_grant. */
async function findToken(provider: Provider, ctx: KoaContextWithOIDC, value: unknown): Promise<RefreshToken> {
  if (typeof value !== 'string' || value === '') throw new errors.InvalidRequest("missing required parameter 'refresh_token'");
  const token = await provider.RefreshToken.find(value, { ignoreExpiration: true });
  if (token === undefined) throw new errors.InvalidGrant('refresh token not found');
  if (token.clientId !== ctx.oidc.client!.clientId) throw new errors.InvalidGrant('client mismatch');
  if (token.isExpired) throw new errors.InvalidGrant('refresh token is expired');
  return token;
}

/** RFC 6749 section 6: what is asked is part of what was granted; nothing asked means all of it. */
function askedScopes(token: RefreshToken, scope: unknown): readonly string[] {
  const granted = parseScopes(token.scope);
  const asked = typeof scope === 'string' && scope !== '' ? parseScopes(scope) : granted;
  const beyond = asked.filter((one) => !granted.includes(one));
  if (beyond.length > 0) throw new errors.InvalidScope('refresh token missing requested scope', beyond.join(' '));
  return asked;
}

async function saveSuccessor(tx: Transaction, provider: Provider, parts: OAuthParts, client: Client, token: RefreshToken, value: string): Promise<void> {
  const successor = new provider.RefreshToken({
    accountId: token.accountId,
    client,
    grantId: token.grantId!,
    gty: refreshGrant,
    scope: token.scope!,
    resource: apiResource,
    rotations: (token.rotations ?? 0) + 1,
  });
  successor.jti = value;
  await parts.ambient.run(tx, () => successor.save());
}

/** The session must outlive its newest refresh token; it is extended by enough that not every refresh has to write it. */
async function keepAlive(tx: Transaction, parts: OAuthParts, session: Session, tokenExpiresAt: number): Promise<void> {
  if (session.expiresAt >= tokenExpiresAt + sessionSlackMs) return;
  await extendSession(tx, session.id, tokenExpiresAt + 2 * sessionSlackMs);
  tx.afterCommit(() => parts.sessions.forget([session.id]));
}

/** Somebody shows a token that was spent: the one repetition of the same request (decision D3), or everything of the family is over. */
async function repeatOrEnd(tx: Transaction, parts: OAuthParts, session: Session, request: RefreshRequest): Promise<Rotated | undefined> {
  const now = parts.clock.now();
  const salt = await claimRetry(tx, request.tokenHash, request.hash, now);
  if (salt !== undefined) return { session, refreshToken: successorOf(parts, request.value, salt) };
  await markRevoked(tx, { id: session.id }, now);
  await parts.audit?.(tx, { action: 'session.ended', userId: session.userId, sessionId: session.id, reason: 'refresh_token_reused' });
  tx.afterCommit(() => parts.sessions.forget([session.id]));
  return undefined;
}

/**
 * Spends the token and stores its successor, in one transaction: a crash loses both or neither. `known` is the session as it was
 * a moment ago; the statement that spends the token says whether it still is so. Undefined when the family is over.
 */
async function rotate(tx: Transaction, provider: Provider, parts: OAuthParts, client: Client, token: RefreshToken, known: Session, request: RefreshRequest): Promise<Rotated | undefined> {
  const { clock, options } = parts;
  const now = clock.now();
  const salt = randomPublicBytes(32).toString('base64url');
  const refreshToken = successorOf(parts, request.value, salt);
  const rotation = { tokenHash: request.tokenHash, successorHash: sha256Hex(refreshToken), salt, requestHash: request.hash, retryUntil: now + options.refreshGraceMs };
  let session = known;
  if (!(await spendRefreshToken(tx, rotation, now, known))) {
    const found = await findLiveSession(tx, known.id, now);
    if (found === undefined) throw new errors.InvalidGrant('the session has ended');
    if (!(await spendRefreshToken(tx, rotation, now))) return repeatOrEnd(tx, parts, found, request);
    session = found;
  }
  await saveSuccessor(tx, provider, parts, client, token, refreshToken);
  await keepAlive(tx, parts, session, now + options.refreshTokenMs);
  return { session, refreshToken };
}

/** An access token of the session as it is, and its signature, which is being made. */
function beginToken(provider: Provider, parts: OAuthParts, client: Client, session: Session, asked: readonly string[]) {
  const available = obtainableScopes(ourClient(client)!);
  const scope = asked.filter((one) => session.scopes.includes(one) && available.includes(one)).join(' ');
  const accessToken = new provider.AccessToken({ accountId: session.userId, client, grantId: session.id, gty: refreshGrant, aud: session.audience, scope });
  parts.openedWith.set(accessToken, session);
  const value = accessToken.save();
  // Who does not wait for it, because the refresh failed, need not hear that it did too.
  value.catch(() => undefined);
  return { accessToken, value, scope, session };
}

const sameScopes = (a: Session, b: Session): boolean => a.scopes.join(' ') === b.scopes.join(' ');

/** The refresh grant (RFC 6749 section 6, RFC 9700 section 4.14.2): rotation, with the family's end when a token comes back. */
export function registerRefresh(provider: Provider, parts: OAuthParts): void {
  const handler = async (ctx: KoaContextWithOIDC): Promise<void> => {
    const params = (ctx.oidc.params ?? {}) as { refresh_token?: string; scope?: string };
    const client = ctx.oidc.client!;
    const ours = ourClient(client)!;
    const token = await findToken(provider, ctx, params.refresh_token);
    await parts.admitTokens('token_refresh', token.accountId, client.clientId);
    const asked = askedScopes(token, params.scope);
    if (!isAvailableTo(ours, token.accountId)) throw new errors.InvalidGrant('this user may not use the mini-app');
    const value = params.refresh_token!;
    const request = { value, tokenHash: sha256Hex(value), hash: sha256Hex(`${client.clientId} ${asked.join(' ')}`) };
    const session = await parts.sessions.find(token.grantId!);
    if (session === undefined) throw new errors.InvalidGrant('the session has ended');
    // The signature is made while the database commits: nobody gets to see it before that is done, nor if it fails.
    const early = beginToken(provider, parts, client, session, asked);
    const rotated = await parts.database.inTransaction((tx) => rotate(tx, provider, parts, client, token, session, request));
    if (rotated === undefined) throw new errors.InvalidGrant('refresh token already used');
    const { accessToken, value: signature, scope } = sameScopes(rotated.session, session) ? early : beginToken(provider, parts, client, rotated.session, asked);
    ctx.oidc.entity('AccessToken', accessToken);
    ctx.body = { access_token: await signature, token_type: 'Bearer', expires_in: accessToken.expiration, refresh_token: rotated.refreshToken, scope };
  };
  provider.registerGrantType(refreshGrant, handler, ['refresh_token', 'scope']);
}
