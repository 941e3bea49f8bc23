import type { Provider, KoaContextWithOIDC, Client } from 'oidc-provider';
import type { Transaction } from '../database/index.ts';
import { newId, newSecret, sha256Hex } from '../kernel/ids.ts';
import type { ProvenUser } from '../matrix/proof/index.ts';
import { apiResource } from './adapter.ts';
import { tokenExchangeGrant } from './client-metadata.ts';
import { refuseSuspended } from './authorize.ts';
import { isAvailableTo, type OAuthClient } from './clients.ts';
import { grantedScopes, insertConsentRequest } from './consent-repo.ts';
import type { OAuthParts } from './deps.ts';
import { exchangeParameters, readExchangeRequest, tepTokenType, type ExchangeRequest } from './exchange-request.ts';
import { matrixTokenRefused, OAuthError } from './oauth-error.ts';
import { proveUser } from './prove.ts';
import { decideScopes, expandWildcards, firstPartyScopes, isPrivileged, obtainableScopes, privilegedScopes, type ScopeDecision } from './scopes.ts';
import { sessionOpened } from './events.ts';
import { insertSession, lockUserWallet, markRevoked, sessionSlackMs, spendToken, type Session } from './session-repo.ts';

/** OpenID tokens do not say when they end (Synapse: an hour); their hashes stay for much longer. */
const spentTokenMs = 7 * 24 * 3_600_000;

type Outcome = { readonly session: Session; readonly refreshToken: string | undefined; readonly replaced: readonly string[] } | { readonly consentSession: string; readonly decision: ScopeDecision };

const subjectHashOf = (parts: OAuthParts, token: string): string => parts.keyRing.mac('subject-token', token);

/** The scopes that were asked for, all of which the target can have. Throws invalid_scope, naming the first that it can't. */
function wantedScopes(parts: OAuthParts, { target, scopes }: ExchangeRequest): readonly string[] | undefined {
  if (scopes === undefined) return undefined;
  const obtainable = target.firstParty === undefined ? [...obtainableScopes(target.client), ...(parts.audit === undefined ? [] : privilegedScopes(target.client))] : firstPartyScopes[target.firstParty];
  const wanted = target.firstParty === undefined ? scopes : expandWildcards(scopes, obtainable);
  const unknown = wanted.find((scope) => !obtainable.includes(scope));
  if (unknown === undefined) return wanted;
  const whom = target.firstParty === undefined ? 'not registered for this mini-app' : `not available to ${target.firstParty}`;
  throw new OAuthError(400, 'invalid_scope', `Requested scope '${unknown}' ${whom}`, { scope: unknown });
}

async function assertMayNameRoom(parts: OAuthParts, user: ProvenUser, context: ExchangeRequest['context']): Promise<void> {
  const roomId = context?.room_id;
  if (typeof roomId !== 'string' || parts.mayNameRoom === undefined) return;
  if (!(await parts.mayNameRoom(user.userId, roomId))) throw new OAuthError(403, 'access_denied', 'This room can not be named here');
}

async function decide(tx: Transaction, request: ExchangeRequest, user: ProvenUser, wanted: readonly string[] | undefined): Promise<ScopeDecision> {
  if (request.target.firstParty !== undefined) return { held: wanted ?? firstPartyScopes[request.target.firstParty], consentRequired: [] };
  const { client } = request.target;
  return decideScopes(client, wanted, await grantedScopes(tx, user.userId, client.miniappId));
}

async function askForConsent(tx: Transaction, parts: OAuthParts, client: OAuthClient, user: ProvenUser, decision: ScopeDecision): Promise<Outcome> {
  const consentSession = newSecret('cs_');
  const now = parts.clock.now();
  await insertConsentRequest(tx, {
    idHash: sha256Hex(consentSession),
    userId: user.userId,
    clientId: client.clientId,
    miniappId: client.miniappId,
    askedScopes: decision.consentRequired,
    heldScopes: decision.held,
    createdAt: now,
    expiresAt: now + parts.options.consentMs,
  });
  return { consentSession, decision };
}

function newSession(parts: OAuthParts, request: ExchangeRequest, user: ProvenUser, walletId: string, scopes: readonly string[]): Session {
  const { clock, options } = parts;
  const now = clock.now();
  const { firstParty } = request.target;
  const privilegedUntil = firstParty === undefined && scopes.some(isPrivileged) ? now + options.privilegedTokenMs : undefined;
  return {
    id: newId('ses'),
    userId: user.userId,
    clientId: firstParty ?? request.target.client.clientId,
    audience: firstParty ?? request.target.client.miniappId,
    scopes,
    context: request.context,
    walletId,
    origin: 'token_exchange',
    provenBy: user.method,
    provenAt: now,
    deviceId: user.deviceId,
    privilegedUntil,
    createdAt: now,
    // Privileged for its time and no longer: it is not refreshed.
    expiresAt: privilegedUntil ?? now + (firstParty === undefined ? Math.max(options.refreshTokenMs, options.accessTokenMs) + sessionSlackMs : options.firstPartyTokenMs),
  };
}

const newRefreshToken = (provider: Provider, client: Client, session: Session) =>
  new provider.RefreshToken({
    accountId: session.userId,
    client,
    grantId: session.id,
    gty: tokenExchangeGrant,
    scope: session.scopes.join(' '),
    resource: apiResource,
    rotations: 0,
  });

/** Everything that an exchange changes, in one transaction: the token is spent, the earlier session replaced, the new one opened. */
async function openSession(tx: Transaction, provider: Provider, parts: OAuthParts, request: ExchangeRequest, user: ProvenUser, wanted: readonly string[] | undefined, client: Client): Promise<Outcome> {
  const now = parts.clock.now();
  const subjectHash = subjectHashOf(parts, request.subjectToken);
  const walletId = await lockUserWallet(tx, user.userId, newId('tw'), now);
  await refuseSuspended(tx, parts, user.userId);
  if (user.singleUse && !(await spendToken(tx, subjectHash, now + spentTokenMs))) throw matrixTokenRefused();
  const decision = await decide(tx, request, user, wanted);
  if (request.target.firstParty === undefined && decision.consentRequired.length > 0) return askForConsent(tx, parts, request.target.client, user, decision);
  const session = newSession(parts, request, user, walletId, decision.held);
  const replaced = await markRevoked(tx, { clientId: session.clientId, subjectHash }, now);
  await insertSession(tx, session, subjectHash);
  await parts.audit?.(tx, sessionOpened(session));
  if (request.target.firstParty !== undefined || session.privilegedUntil !== undefined) return { session, refreshToken: undefined, replaced };
  const refreshToken = await parts.ambient.run(tx, () => newRefreshToken(provider, client, session).save());
  return { session, refreshToken, replaced };
}

const consentRequired = (outcome: { consentSession: string; decision: ScopeDecision }): OAuthError =>
  new OAuthError(403, 'consent_required', 'User must approve sensitive scopes', {
    consent_required_scopes: outcome.decision.consentRequired,
    pre_approved_scopes: outcome.decision.held,
    consent_ui_endpoint: `/oauth2/consent?session=${outcome.consentSession}`,
  });

async function answer(provider: Provider, parts: OAuthParts, ctx: KoaContextWithOIDC, session: Session, refreshToken: string | undefined): Promise<void> {
  const lifetime = session.privilegedUntil === undefined ? {} : { expiresIn: Math.floor((session.privilegedUntil - session.createdAt) / 1000) };
  const accessToken = new provider.AccessToken({ ...lifetime, accountId: session.userId, client: ctx.oidc.client!, grantId: session.id, gty: tokenExchangeGrant, aud: session.audience, scope: session.scopes.join(' ') });
  parts.openedWith.set(accessToken, session);
  ctx.oidc.entity('AccessToken', accessToken);
  const value = await accessToken.save();
  ctx.body = {
    access_token: value,
    issued_token_type: tepTokenType,
    token_type: 'Bearer',
    expires_in: accessToken.expiration,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    scope: session.scopes.join(' '),
  };
}

/** The token exchange grant (RFC 8693; specification section 4.3.1; decisions D1, D2, D4). */
export function registerTokenExchange(provider: Provider, parts: OAuthParts): void {
  const handler = async (ctx: KoaContextWithOIDC): Promise<void> => {
    const request = readExchangeRequest(ctx);
    const { target, subjectToken: token, tokenType, matrixServerName, presentedBy } = request;
    const user = await proveUser(parts.proof, parts.log, { token, tokenType, matrixServerName, presentedBy });
    if (target.firstParty === undefined && !isAvailableTo(target.client, user.userId)) throw new OAuthError(401, 'invalid_client', 'client authentication failed');
    await parts.admitTokens('token_generation', user.userId, target.firstParty ?? target.client.clientId);
    const wanted = wantedScopes(parts, request);
    await assertMayNameRoom(parts, user, request.context);
    const client = ctx.oidc.client!;
    const outcome = await parts.database.inTransaction((tx) => openSession(tx, provider, parts, request, user, wanted, client));
    if ('consentSession' in outcome) throw consentRequired(outcome);
    parts.sessions.forget(outcome.replaced);
    await answer(provider, parts, ctx, outcome.session, outcome.refreshToken);
  };
  provider.registerGrantType(tokenExchangeGrant, handler, [...exchangeParameters]);
}
