import { errors, type Client, type Grant, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { Queryable, Transaction } from '../database/index.ts';
import { asUserId, newId } from '../kernel/ids.ts';
import { apiResource } from './adapter.ts';
import { ourClient } from './client-metadata.ts';
import { isAvailableTo, type OAuthClient } from './clients.ts';
import { grantedScopes } from './consent-repo.ts';
import type { OAuthParts } from './deps.ts';
import { sessionOpened } from './events.ts';
import { parseContext } from './exchange-request.ts';
import { OAuthError } from './oauth-error.ts';
import { decideScopes, isPreApproved, obtainableScopes, parseScopes } from './scopes.ts';
import { insertSession, lockUserWallet, type Session, type SessionOrigin } from './session-repo.ts';

/** Scopes of section 5.3 are the homeserver's to grant, and `openid` is nobody's here: asking for them is no error, and gives nothing. */
const isOthers = (scope: string): boolean => scope === 'openid' || scope === 'offline_access' || scope.startsWith('urn:matrix:') || scope.startsWith('urn:synapse:') || scope.startsWith('urn:mas:');

/** What the request asks of us, all of which the mini-app has registered; what is granted silently where it asks nothing. Throws invalid_scope. */
export function settleScopes(client: OAuthClient, asked: string | undefined): readonly string[] {
  const obtainable = obtainableScopes(client);
  const wanted = parseScopes(asked).filter((scope) => !isOthers(scope));
  const unknown = wanted.find((scope) => !obtainable.includes(scope));
  if (unknown !== undefined) throw new errors.InvalidScope(`Requested scope '${unknown}' not registered for this mini-app`, unknown);
  const settled = wanted.length > 0 ? wanted : obtainable.filter((scope) => isPreApproved(client, scope));
  if (settled.length === 0) throw new errors.InvalidScope('scope: missing', '');
  return settled;
}

/** Checks that the library runs for every authorization and device authorization request, after those of its own. */
export const requestChecks = {
  miniapp_context(ctx: KoaContextWithOIDC, value: string | undefined, client: Client): void {
    const ours = ourClient(client);
    if (ours === undefined) throw new errors.InvalidClient('client is invalid', 'a reserved audience');
    try {
      parseContext(value);
    } catch (error) {
      throw new errors.InvalidRequest(error instanceof errors.OIDCProviderError ? (error.error_description ?? 'miniapp_context') : 'miniapp_context');
    }
    const params = ctx.oidc.params as { scope?: string };
    params.scope = settleScopes(ours, params.scope).join(' ');
  },
};

export interface NewSession {
  readonly client: OAuthClient;
  readonly userId: string;
  readonly scopes: readonly string[];
  readonly origin: SessionOrigin;
  readonly context: Session['context'];
  readonly signedInAt: number;
  /** Until the code is redeemed; a refresh token extends it. */
  readonly lifetimeMs: number;
}

/** Throws access_denied when an administrator has suspended the user. Who opens a session asks while the user's wallet row is locked, as who suspends does: neither can miss the other. */
export async function refuseSuspended(db: Queryable, parts: Pick<OAuthParts, 'isSuspended'>, userId: string): Promise<void> {
  if ((await parts.isSuspended?.(db, userId)) === true) throw new OAuthError(403, 'access_denied', 'This account is suspended');
}

/** A session without tokens yet; nothing is written. */
export function draftSession(parts: OAuthParts, session: NewSession): Omit<Session, 'walletId'> {
  const now = parts.clock.now();
  return {
    id: newId('ses'),
    userId: asUserId(session.userId),
    clientId: session.client.clientId,
    audience: session.client.miniappId,
    scopes: session.scopes,
    context: session.context,
    origin: session.origin,
    provenBy: 'sign_in',
    provenAt: session.signedInAt,
    deviceId: undefined,
    privilegedUntil: undefined,
    createdAt: now,
    expiresAt: now + session.lifetimeMs,
  };
}

/** Opens the session, in the transaction that stores the code for it. Throws access_denied when a scope of it was withdrawn meanwhile. */
export async function openDraft(tx: Transaction, parts: OAuthParts, client: OAuthClient, draft: Omit<Session, 'walletId'>): Promise<void> {
  // Who withdraws takes the same lock: from here on nothing of it can be.
  const walletId = await lockUserWallet(tx, draft.userId, newId('tw'), parts.clock.now());
  await refuseSuspended(tx, parts, draft.userId);
  const { consentRequired } = decideScopes(client, draft.scopes, await grantedScopes(tx, draft.userId, client.miniappId));
  if (consentRequired.length > 0) throw new errors.AccessDenied('a permission was withdrawn meanwhile');
  const session = { ...draft, walletId };
  await insertSession(tx, session, undefined);
  await parts.audit?.(tx, sessionOpened(session));
}

/** Throws access_denied unless the user may use this client, and name the room that the context names (decisions D22, D23). */
export async function assertAllowed(parts: OAuthParts, client: OAuthClient, userId: string, context: Session['context']): Promise<void> {
  if (!isAvailableTo(client, userId)) throw new errors.AccessDenied('this user may not use the mini-app');
  await refuseSuspended(parts.database, parts, userId);
  const roomId = context?.room_id;
  if (typeof roomId === 'string' && parts.mayNameRoom !== undefined && !(await parts.mayNameRoom(asUserId(userId), roomId))) throw new errors.AccessDenied('This room can not be named here');
}

/**
 * What the signed-in user has granted this client by now. It is the draft of a session, opened when the code is stored: a request
 * that leads nowhere leaves nothing. What was just asked and not given counts as refused, so that nobody is asked twice.
 */
export async function loadGrant(provider: Provider, parts: OAuthParts, ctx: KoaContextWithOIDC): Promise<Grant> {
  const client = ourClient(ctx.oidc.client!)!;
  const userId = asUserId(ctx.oidc.account!.accountId);
  const params = ctx.oidc.params as { miniapp_context?: string };
  const context = parseContext(params.miniapp_context);
  await assertAllowed(parts, client, userId, context);
  const { held, consentRequired } = decideScopes(client, [...ctx.oidc.requestParamScopes], await grantedScopes(parts.database, userId, client.miniappId));
  const signedInAt = (ctx.oidc.session?.loginTs ?? 0) * 1000;
  const draft = draftSession(parts, { client, userId, scopes: held, origin: 'authorization_code', context, signedInAt, lifetimeMs: parts.options.authorizationCodeMs + 60_000 });
  const grant = new provider.Grant({ accountId: userId, clientId: client.clientId });
  grant.jti = draft.id;
  if (held.length > 0) grant.addResourceScope(apiResource, held.join(' '));
  if (ctx.oidc.result?.consent !== undefined && consentRequired.length > 0) grant.rejectResourceScope(apiResource, consentRequired.join(' '));
  parts.drafts.set(ctx, draft);
  return grant;
}
