import { generateKeyPairSync } from 'node:crypto';
import { errors, Provider, type AccessToken, type AuthorizationCode, type Client, type Configuration, type JWK, type KoaContextWithOIDC, type RefreshToken } from 'oidc-provider';
import { unixSeconds } from '../kernel/clock.ts';
import { errorText } from '../kernel/errors.ts';
import { newSecret } from '../kernel/ids.ts';
import { errorPage, pageHeaders } from '../web/pages.ts';
import { apiResource, createAdapterFactory, refreshTokenPrefix } from './adapter.ts';
import { loadGrant, openDraft, requestChecks } from './authorize.ts';
import { cookieNames } from './browser.ts';
import { clientProperty, ourClient, tokenExchangeGrant } from './client-metadata.ts';
import { isAvailableTo, isReservedAudience, isSecretOf, type OAuthClient } from './clients.ts';
import { registerClientCredentials } from './client-credentials.ts';
import { revokeClientSessions } from './client-session-repo.ts';
import type { OAuthParts } from './deps.ts';
import { tepPrefix } from './jwt.ts';
import { limitPolling } from './device.ts';
import { TooManyAttempts } from './limits.ts';
import { OAuthError, outageRefusal, outageRetrySeconds, tooManyAttempts } from './oauth-error.ts';
import { registerRefresh } from './refresh.ts';
import { isPreApproved, obtainableScopes, parseScopes } from './scopes.ts';
import { extendSession, sessionSlackMs, type Session } from './session-repo.ts';
import { registerTokenExchange } from './token-exchange.ts';
import { gatherFacts } from './token-facts.ts';

const seconds = (ms: number): number => Math.floor(ms / 1000);

/** The library insists on a key of its own; nothing is signed with it and nobody sees it: tokens are signed by keys.ts. */
const unusedKey = (): JWK => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

/** Own tokens, and a confidential backend also those of its own mini-app's frontend (section 9.1.1, hybrid). */
async function mayInspect(parts: OAuthParts, client: Client, token: { clientId?: string | undefined }): Promise<boolean> {
  if (token.clientId === client.clientId) return true;
  const asking = ourClient(client);
  if (asking?.kind !== 'confidential' || token.clientId === undefined || isReservedAudience(token.clientId)) return false;
  return (await parts.clients.findClient(token.clientId))?.miniappId === asking.miniappId;
}

/** Asked at each refresh: an unapproved mini-app serves its owners for as long as they are (decision D23). */
function mayUse(client: Client | undefined, userId: string): boolean {
  const ours = client === undefined ? undefined : ourClient(client);
  return ours === undefined || isAvailableTo(ours, userId);
}

function resourceServerInfo(resource: string, client: Client) {
  if (resource !== apiResource) throw new errors.InvalidTarget();
  const ours = ourClient(client);
  return { scope: ours === undefined ? '' : obtainableScopes(ours).join(' '), audience: ours?.miniappId ?? client.clientId, accessTokenFormat: 'opaque' as const };
}

const pageRoutes: ReadonlySet<string> = new Set(['authorization', 'resume']);

/** In the form that the reader expects: a person on the pages, a program everywhere else. */
function renderError(ctx: KoaContextWithOIDC, said: { error: string; error_description?: string | undefined }, error: Error): void {
  const outage = outageRefusal(error);
  const out = outage === undefined ? said : { error: outage.error, error_description: outage.error_description };
  if (outage !== undefined) {
    ctx.status = outage.status;
    ctx.set('Retry-After', String(outageRetrySeconds));
  }
  if (!pageRoutes.has(ctx.oidc.route)) {
    ctx.type = 'application/json';
    ctx.body = out;
    return;
  }
  ctx.set(pageHeaders({ formActions: [] }));
  ctx.body = errorPage({ title: 'This does not work', message: out.error_description ?? 'Go back to the app and start again.', code: out.error });
}

function configuration(parts: OAuthParts): Configuration {
  const { options } = parts;
  const policy = (_ctx: KoaContextWithOIDC, client: Client, token: { clientId?: string | undefined }): Promise<boolean> => mayInspect(parts, client, token);
  const cookies = cookieNames(options.issuer);
  return {
    adapter: createAdapterFactory({ ...parts, openDraft: (tx, draft) => openDraft(tx, parts, ourClient(Provider.ctx!.oidc.client!)!, draft) }),
    jwks: { keys: [unusedKey()] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
    extraClientMetadata: { properties: [clientProperty] },
    responseTypes: ['code'],
    allowOmittingSingleRegisteredRedirectUri: false,
    extraParams: requestChecks,
    interactions: { url: (_ctx, interaction) => `/oauth2/interaction/${interaction.uid}` },
    loadExistingGrant: (ctx) => loadGrant(ctx.oidc.provider, parts, ctx),
    cookies: {
      names: { session: cookies.session, interaction: cookies.interaction, resume: cookies.resume },
      long: { httpOnly: true, sameSite: 'lax', secure: cookies.secure, path: '/' },
      short: { httpOnly: true, sameSite: 'lax', secure: cookies.secure },
    },
    scopes: [],
    claims: {},
    // Whoever is signed in has an account; which clients they may use is judged where a grant is made.
    findAccount: (ctx, sub, token) => (token === undefined || mayUse(ctx.oidc.client, sub) ? { accountId: sub, claims: () => ({ sub }) } : undefined),
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true, charset: 'base-20', mask: '****-****' },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      introspection: { enabled: true, allowedPolicy: policy },
      revocation: { enabled: true, allowedPolicy: policy },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => apiResource,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource, client) => resourceServerInfo(resource, client),
      },
    },
    routes: { token: '/oauth2/token', introspection: '/oauth2/introspect', revocation: '/oauth2/revoke', authorization: '/oauth2/authorize', device_authorization: '/oauth2/device/authorization', code_verification: '/oauth2/device', jwks: '/oauth2/library-jwks' },
    ttl: {
      AccessToken: (_ctx, _token, client) => seconds(ourClient(client) === undefined ? options.firstPartyTokenMs : options.accessTokenMs),
      RefreshToken: seconds(options.refreshTokenMs),
      Grant: seconds(options.refreshTokenMs),
      AuthorizationCode: seconds(options.authorizationCodeMs),
      DeviceCode: seconds(options.deviceCodeMs),
      Interaction: seconds(options.consentMs),
      // From the sign-in on, whatever happens meanwhile.
      Session: (_ctx, session) => Math.max(1, seconds((session.loginTs ?? 0) * 1000 + options.browserSessionMs - parts.clock.now())),
    },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    revokeGrantPolicy: () => true,
    pkce: { required: () => true },
    clientBasedCORS: () => true,
    renderError: (ctx, out, error) => renderError(ctx, out, error),
  };
}

/** Signs the library's access token as a TEP. */
async function issueTep(parts: OAuthParts, token: AccessToken): Promise<string> {
  const session = parts.openedWith.get(token) ?? (await parts.sessions.find(token.grantId));
  if (session === undefined) throw new errors.InvalidGrant('the session has ended');
  const { clock, options } = parts;
  // A code's session was opened for as long as the code: now it has tokens.
  if (!isReservedAudience(session.audience) && session.privilegedUntil === undefined && session.expiresAt < clock.now() + options.accessTokenMs) {
    await extendSession(parts.database, session.id, clock.now() + Math.max(options.refreshTokenMs, options.accessTokenMs) + sessionSlackMs);
    parts.sessions.forget([session.id]);
  }
  const scopes = parseScopes(token.scope);
  return parts.tokens.sign({ session, scopes, lifetimeMs: token.expiration * 1000, facts: await gatherFacts(parts, session, scopes) });
}

/**
 * Makes the library's access tokens ours through its public classes: what it hands out is `tep.` and a JWT, and what it finds
 * again is that JWT's claims, if signature and session are good. Nothing is stored for it.
 */
function patchTokens(provider: Provider, parts: OAuthParts): void {
  const { AccessToken, RefreshToken } = provider;
  Object.assign(AccessToken.prototype, {
    async getValueAndPayload(this: AccessToken) {
      return { value: await issueTep(parts, this), payload: undefined };
    },
  });
  Object.assign(AccessToken, {
    async find(value: string): Promise<AccessToken | undefined> {
      const valid = await parts.tokens.read(value);
      if (valid === undefined) return undefined;
      const { claims, session } = valid;
      const extra = { wallet_id: claims.wallet_id, session_id: session.id };
      const payload = { kind: 'AccessToken', jti: claims.jti, accountId: claims.sub, clientId: claims.client_id, grantId: session.id, aud: claims.aud, scope: claims.scope, iat: claims.iat, exp: claims.exp, extra };
      return new AccessToken(payload as unknown as ConstructorParameters<typeof AccessToken>[0]);
    },
  });
  Object.assign(RefreshToken.prototype, {
    generateTokenId(this: RefreshToken): string {
      return newSecret(refreshTokenPrefix);
    },
  });
}

/** The same for tokens of clients themselves, so that they can be introspected and revoked. */
function patchClientTokens(provider: Provider, parts: OAuthParts): void {
  const { ClientCredentials } = provider;
  Object.assign(ClientCredentials, {
    async find(value: string): Promise<InstanceType<typeof ClientCredentials> | undefined> {
      const valid = await parts.clientTokens.read(value);
      if (valid === undefined) return undefined;
      const { claims, session } = valid;
      const payload = { kind: 'ClientCredentials', jti: claims.jti, clientId: claims.client_id, aud: claims.aud, scope: claims.scope, iat: claims.iat, exp: claims.exp, extra: { sub: claims.sub, session_id: session.id } };
      return new ClientCredentials(payload as unknown as ConstructorParameters<typeof ClientCredentials>[0]);
    },
  });
  Object.assign(ClientCredentials.prototype, {
    async destroy(this: { extra: { session_id: string } }): Promise<void> {
      parts.clientSessions.forget(await revokeClientSessions(parts.database, { id: this.extra.session_id }, parts.clock.now()));
    },
  });
}

const looksLikeJwt = (token: unknown): token is string => typeof token === 'string' && /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(token);

type FormBody = Record<string, unknown>;

/** The form as the library shall see it: a token exchange may name its client by `audience`, and a TEP may lack its prefix. */
function readForm(form: FormBody): FormBody {
  const named = form.grant_type === tokenExchangeGrant && form.client_id === undefined && typeof form.audience === 'string' ? { client_id: form.audience } : {};
  const prefixed = looksLikeJwt(form.token) ? { token: tepPrefix + form.token } : {};
  return { ...form, ...named, ...prefixed };
}

/** The library assigns the parsed form to `ctx.oidc.body` before it authenticates the client: this is where it is read anew. */
function patchForms(provider: Provider): void {
  const forms = new WeakMap<object, FormBody>();
  const { OIDCContext } = provider as unknown as { OIDCContext: { prototype: object } };
  Object.defineProperty(OIDCContext.prototype, 'body', {
    configurable: true,
    get(this: { ctx: KoaContextWithOIDC }) {
      return forms.get(this);
    },
    set(this: { ctx: KoaContextWithOIDC }, form: FormBody) {
      // With an Authorization header the client is named there already.
      forms.set(this, this.ctx.headers.authorization === undefined ? readForm(form) : { ...form, ...(looksLikeJwt(form.token) ? { token: tepPrefix + form.token } : {}) });
    },
  });
}

/** Fields of sections 3.1.2, 4.3.1 and 16.9 beside those of RFC 6749. */
function responseFields(session: Session, client: Client): Record<string, unknown> {
  const ours = ourClient(client);
  const official = ours?.classification === 'official' ? { preapproved_scopes: session.scopes.filter((scope) => isPreApproved(ours, scope)), privileged: session.privilegedUntil !== undefined } : {};
  const until = session.privilegedUntil === undefined ? {} : { privileged_until: unixSeconds(session.privilegedUntil) };
  return { user_id: session.userId, wallet_id: session.walletId, ...(session.origin === 'token_exchange' ? { delegated_session: true } : {}), ...official, ...until };
}

const asOAuthError = (error: unknown): never => {
  throw error instanceof TooManyAttempts ? tooManyAttempts(error.retryAfterSeconds) : error;
};

const guessed: ReadonlySet<string> = new Set(['invalid_client', 'invalid_grant']);

/** What may have been a guess counts against the address, and a client that was named against both. */
function countFailures(provider: Provider, parts: OAuthParts): void {
  const count = (ctx: KoaContextWithOIDC, error: errors.OIDCProviderError): void => {
    if (!guessed.has(error.error)) return;
    const clientId: unknown = error.error === 'invalid_client' ? (ctx.oidc.client?.clientId ?? ctx.oidc.body?.client_id) : undefined;
    void parts.limits.countFailure(ctx.req, typeof clientId === 'string' ? clientId : undefined);
  };
  provider.on('grant.error', count);
  provider.on('device_authorization.error', count);
  provider.on('introspection.error', count);
  provider.on('revocation.error', count);
}

/** A code says whom its tokens are for. It is not spent when they have to wait. */
function limitCodes(provider: Provider, parts: OAuthParts): void {
  const { AuthorizationCode: model } = provider;
  const find = model.find.bind(model) as (value: string, options?: object) => Promise<AuthorizationCode | undefined>;
  Object.assign(model, {
    async find(value: string, options?: object): Promise<AuthorizationCode | undefined> {
      const code = await find(value, options);
      if (code !== undefined) await parts.admitTokens('token_generation', code.accountId, code.clientId!);
      return code;
    },
  });
}

/**
 * The library finds a client that it has made before by a hash of all that is known of it, and keeps a hundred. The directory is asked
 * as often as before; while it gives the same answer, the same client is meant.
 */
function rememberClients(provider: Provider, parts: OAuthParts): void {
  const { Client: model } = provider;
  const find = model.find.bind(model);
  const known = new WeakMap<OAuthClient, Client>();
  Object.assign(model, {
    async find(id: string): Promise<Client | undefined> {
      const ours = await parts.clients.findClient(id);
      if (ours === undefined) return find(id);
      const client = known.get(ours) ?? (await find(id));
      if (client !== undefined) known.set(ours, client);
      return client;
    },
  });
}

/** oidc-provider, set up as TMCP's authorization server. */
export function createProvider(parts: OAuthParts): Provider {
  const provider = new Provider(parts.options.issuer, configuration(parts));
  provider.proxy = true;
  patchTokens(provider, parts);
  patchClientTokens(provider, parts);
  patchForms(provider);
  limitPolling(provider, parts);
  limitCodes(provider, parts);
  rememberClients(provider, parts);
  Object.assign(provider.Client.prototype, {
    async compareClientSecret(this: Client, secret: string): Promise<boolean> {
      const req = Provider.ctx?.req;
      if (req !== undefined) await parts.limits.assertSecretOpen(req, this.clientId).catch(asOAuthError);
      return isSecretOf(ourClient(this)!, secret);
    },
  });
  registerTokenExchange(provider, parts);
  registerRefresh(provider, parts);
  registerClientCredentials(provider, parts);

  provider.use(async (ctx: KoaContextWithOIDC, next) => {
    await next();
    const token = ctx.status === 200 && ctx.oidc?.route === 'token' ? ctx.oidc.entities.AccessToken : undefined;
    if (token === undefined) return;
    const session = parts.openedWith.get(token) ?? (await parts.sessions.find(token.grantId));
    if (session !== undefined) Object.assign(ctx.body as object, responseFields(session, ctx.oidc.client!));
  });
  provider.on('grant.error', (ctx, error) => {
    if (error instanceof OAuthError) Object.assign(ctx.body as object, error.fields);
    if (error instanceof OAuthError && (error.status === 503 || error.retryAfterSeconds !== undefined)) ctx.set('Retry-After', String(error.retryAfterSeconds ?? outageRetrySeconds));
  });
  countFailures(provider, parts);
  provider.on('server_error', (ctx, error) => {
    parts.log.error({ error: errorText(error), path: ctx.path }, 'OAuth request failed');
    // The library writes to programs by itself.
    if (outageRefusal(error) !== undefined) renderError(ctx, { error: 'server_error' }, error);
  });
  return provider;
}
