import { generateKeyPairSync } from 'node:crypto';
import { errors, Provider, type AccessToken, type Client, type Configuration, type JWK, type KoaContextWithOIDC, type RefreshToken } from 'oidc-provider';
import { errorText } from '../kernel/errors.ts';
import { newSecret } from '../kernel/ids.ts';
import type { UserContext } from './access-tokens.ts';
import { apiResource, createAdapterFactory } from './adapter.ts';
import { clientProperty, ourClient, tokenExchangeGrant } from './client-metadata.ts';
import { isAvailableTo, isReservedAudience, isSecretOf } from './clients.ts';
import { registerClientCredentials } from './client-credentials.ts';
import { revokeClientSessions } from './client-session-repo.ts';
import type { OAuthParts } from './deps.ts';
import { tepPrefix } from './jwt.ts';
import { OAuthError } from './oauth-error.ts';
import { registerRefresh } from './refresh.ts';
import { isPreApproved, obtainableScopes, parseScopes } from './scopes.ts';
import type { Session } from './session-repo.ts';
import { registerTokenExchange } from './token-exchange.ts';

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

function configuration(parts: OAuthParts): Configuration {
  const { options } = parts;
  const policy = (_ctx: KoaContextWithOIDC, client: Client, token: { clientId?: string | undefined }): Promise<boolean> => mayInspect(parts, client, token);
  const asJson = (ctx: { type: string; body: unknown }, out: unknown): void => {
    ctx.type = 'application/json';
    ctx.body = out;
  };
  return {
    adapter: createAdapterFactory(parts),
    jwks: { keys: [unusedKey()] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
    extraClientMetadata: { properties: [clientProperty] },
    responseTypes: [],
    scopes: [],
    claims: {},
    findAccount: (ctx, sub) => (mayUse(ctx.oidc.client, sub) ? { accountId: sub, claims: () => ({ sub }) } : undefined),
    features: {
      devInteractions: { enabled: false },
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
    routes: { token: '/oauth2/token', introspection: '/oauth2/introspect', revocation: '/oauth2/revoke', authorization: '/oauth2/authorize', jwks: '/oauth2/library-jwks' },
    ttl: {
      AccessToken: (_ctx, _token, client) => seconds(ourClient(client) === undefined ? options.firstPartyTokenMs : options.accessTokenMs),
      RefreshToken: seconds(options.refreshTokenMs),
      Grant: seconds(options.refreshTokenMs),
    },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    revokeGrantPolicy: () => true,
    pkce: { required: () => true },
    clientBasedCORS: () => true,
    renderError: (ctx, out) => asJson(ctx, out),
  };
}

async function userContextOf(parts: OAuthParts, session: Session, scopes: readonly string[]): Promise<UserContext | undefined> {
  if (parts.profileOf === undefined || !scopes.includes('user:read')) return undefined;
  try {
    return await parts.profileOf(session.userId);
  } catch (error) {
    parts.log.warn({ error: errorText(error) }, 'no profile for user_context');
    return undefined;
  }
}

/** Signs the library's access token as a TEP. */
async function issueTep(parts: OAuthParts, token: AccessToken): Promise<string> {
  const session = await parts.sessions.find(token.grantId);
  if (session === undefined) throw new errors.InvalidGrant('the session has ended');
  const scopes = parseScopes(token.scope);
  return parts.tokens.sign({ session, scopes, lifetimeMs: token.expiration * 1000, userContext: await userContextOf(parts, session, scopes) });
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
      return newSecret('rt_');
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
  const official = ours?.classification === 'official' ? { preapproved_scopes: session.scopes.filter((scope) => isPreApproved(ours, scope)), privileged: false } : {};
  return { user_id: session.userId, wallet_id: session.walletId, ...(session.origin === 'token_exchange' ? { delegated_session: true } : {}), ...official };
}

/** oidc-provider, set up as TMCP's authorization server. */
export function createProvider(parts: OAuthParts): Provider {
  const provider = new Provider(parts.options.issuer, configuration(parts));
  provider.proxy = true;
  patchTokens(provider, parts);
  patchClientTokens(provider, parts);
  patchForms(provider);
  Object.assign(provider.Client.prototype, {
    compareClientSecret(this: Client, secret: string): boolean {
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
    const session = await parts.sessions.find(token.grantId);
    if (session !== undefined) Object.assign(ctx.body as object, responseFields(session, ctx.oidc.client!));
  });
  provider.on('grant.error', (ctx, error) => {
    if (error instanceof OAuthError) Object.assign(ctx.body as object, error.fields);
    if (error instanceof OAuthError && error.status === 503) ctx.set('Retry-After', '5');
  });
  provider.on('server_error', (ctx, error) => parts.log.error({ error: errorText(error), path: ctx.path }, 'OAuth request failed'));
  return provider;
}
