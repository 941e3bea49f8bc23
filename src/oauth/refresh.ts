import { errors, type Client, type KoaContextWithOIDC, type Provider, type RefreshToken } from 'oidc-provider';
import type { Transaction } from '../database/index.ts';
import { newSecret, sha256Hex } from '../kernel/ids.ts';
import { apiResource, refreshTokenPrefix } from './adapter.ts';
import { ourClient } from './client-metadata.ts';
import { isAvailableTo } from './clients.ts';
import type { OAuthParts } from './deps.ts';
import { claimRetry, insertRotation, spendRefreshToken } from './rotation-repo.ts';
import { obtainableScopes, parseScopes } from './scopes.ts';
import { extendSession, findLiveSession, markRevoked, sessionSlackMs, type Session } from './session-repo.ts';

const refreshGrant = 'refresh_token';

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

/** The session must outlive its newest refresh token; it is extended by enough that not every refresh has to write it. Returns when it expires now. */
async function keepAlive(tx: Transaction, session: Session, tokenExpiresAt: number): Promise<number> {
  if (session.expiresAt >= tokenExpiresAt + sessionSlackMs) return session.expiresAt;
  const expiresAt = tokenExpiresAt + 2 * sessionSlackMs;
  await extendSession(tx, session.id, expiresAt);
  return expiresAt;
}

/**
 * Spends the token and stores its successor, in one transaction: a crash loses both or neither. Undefined when the token was
 * spent before and this is not the one repetition of the same request (decision D3): then everything of the family is over.
 */
async function rotate(tx: Transaction, provider: Provider, parts: OAuthParts, client: Client, token: RefreshToken, request: { readonly value: string; readonly hash: string }): Promise<Rotated | undefined> {
  const { clock, options } = parts;
  const now = clock.now();
  const tokenHash = sha256Hex(request.value);
  const session = await findLiveSession(tx, token.grantId!, now);
  if (session === undefined) throw new errors.InvalidGrant('the session has ended');
  if (await spendRefreshToken(tx, tokenHash, now)) {
    const salt = newSecret('');
    const refreshToken = successorOf(parts, request.value, salt);
    await insertRotation(tx, { tokenHash, successorHash: sha256Hex(refreshToken), salt, requestHash: request.hash, expiresAt: now + options.refreshGraceMs });
    await saveSuccessor(tx, provider, parts, client, token, refreshToken);
    return { session: { ...session, expiresAt: await keepAlive(tx, session, now + options.refreshTokenMs) }, refreshToken };
  }
  const salt = await claimRetry(tx, tokenHash, request.hash, now);
  if (salt !== undefined) return { session, refreshToken: successorOf(parts, request.value, salt) };
  await markRevoked(tx, { id: session.id }, now);
  await parts.audit?.(tx, { action: 'session.ended', userId: session.userId, sessionId: session.id, reason: 'refresh_token_reused' });
  return undefined;
}

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
    const request = { value: params.refresh_token!, hash: sha256Hex(`${client.clientId} ${asked.join(' ')}`) };
    const rotated = await parts.database.inTransaction((tx) => rotate(tx, provider, parts, client, token, request));
    parts.sessions.forget([token.grantId!]);
    if (rotated === undefined) throw new errors.InvalidGrant('refresh token already used');

    const available = obtainableScopes(ours);
    const scope = asked.filter((one) => rotated.session.scopes.includes(one) && available.includes(one)).join(' ');
    const accessToken = new provider.AccessToken({ accountId: token.accountId, client, grantId: token.grantId!, gty: refreshGrant, aud: rotated.session.audience, scope });
    parts.openedWith.set(accessToken, rotated.session);
    ctx.oidc.entity('AccessToken', accessToken);
    const value = await accessToken.save();
    ctx.body = { access_token: value, token_type: 'Bearer', expires_in: accessToken.expiration, refresh_token: rotated.refreshToken, scope };
  };
  provider.registerGrantType(refreshGrant, handler, ['refresh_token', 'scope']);
}
