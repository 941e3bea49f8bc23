import { answer, type ApiRequest, type Routes } from '../http/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import { developerRoles, organizationClaims } from './claims.ts';
import type { Console } from './console.ts';
import type { DeveloperTokens, IssuedTokens } from './tokens.ts';

export interface TokenRoutesDependencies {
  readonly tokens: DeveloperTokens;
  readonly console: Console;
  /** Whose Matrix access token this is, presented by the user's own hand (decision D1). @throws AppError INVALID_TOKEN, SERVICE_UNAVAILABLE */
  readonly proveUser: (matrixToken: string) => Promise<UserId>;
}

const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
const matrixAccessToken = 'urn:ietf:params:oauth:token-type:access_token';

interface TokenForm {
  grant_type: string;
  client_id?: string;
  client_secret?: string;
  code?: string;
  redirect_uri?: string;
  code_verifier?: string;
  refresh_token?: string;
  subject_token?: string;
  subject_token_type?: string;
}

const invalid = (message: string): AppError => new AppError('INVALID_REQUEST', message);

function required(form: TokenForm, field: keyof TokenForm): string {
  const value = form[field];
  if (value === undefined) throw invalid(`${field}: missing`);
  return value;
}

/** The console by its header or its form, but not by both (RFC 6749 section 2.3). Returns its client id. */
async function authenticateConsole(console: Console, { principal, body }: ApiRequest): Promise<string> {
  const { client_id: clientId, client_secret: secret } = body as TokenForm;
  if (principal.kind === 'platform') {
    if (secret !== undefined || (clientId !== undefined && clientId !== principal.clientId)) throw invalid('client_id: the client authenticates in two ways');
    return principal.clientId;
  }
  if (clientId === undefined) throw invalid('client_id: missing');
  await console.authenticate(clientId, secret);
  return clientId;
}

/** A refused Matrix token is an `invalid_grant` (specification section 12.3). */
async function prove(proveUser: TokenRoutesDependencies['proveUser'], matrixToken: string): Promise<UserId> {
  try {
    return await proveUser(matrixToken);
  } catch (error) {
    if (error instanceof AppError && error.code === 'INVALID_TOKEN') throw new AppError('MATRIX_TOKEN_REFUSED', error.message, { cause: error });
    throw error;
  }
}

async function grant({ tokens, proveUser }: TokenRoutesDependencies, form: TokenForm, clientId: string, requestId: string): Promise<IssuedTokens> {
  switch (form.grant_type) {
    case 'authorization_code':
      return tokens.redeem({ clientId, code: required(form, 'code'), redirectUri: required(form, 'redirect_uri'), codeVerifier: required(form, 'code_verifier') }, requestId);
    case 'refresh_token':
      return tokens.refresh(required(form, 'refresh_token'), clientId);
    case tokenExchange: {
      const matrixToken = required(form, 'subject_token');
      if (required(form, 'subject_token_type') !== matrixAccessToken) throw invalid(`subject_token_type: must be ${matrixAccessToken}`);
      return tokens.signIn(await prove(proveUser, matrixToken), clientId, requestId);
    }
    default:
      throw new AppError('unsupported_grant_type', `grant_type: must be authorization_code, refresh_token or ${tokenExchange}`);
  }
}

const tokenBody = (issued: IssuedTokens): object => ({
  access_token: issued.accessToken,
  token_type: 'Bearer',
  expires_in: issued.expiresInSeconds,
  refresh_token: issued.refreshToken,
  developer_id: issued.userId,
  roles: developerRoles,
  organizations: organizationClaims(issued.memberships),
});

/** `/oauth2/developer`: errors there have the form of RFC 6749 (decision D13). */
export function developerTokenRoutes(deps: TokenRoutesDependencies): Routes {
  return {
    developerToken: async (request) => {
      const clientId = await authenticateConsole(deps.console, request);
      return answer(tokenBody(await grant(deps, request.body as TokenForm, clientId, request.requestId)), 200, { Pragma: 'no-cache' });
    },
    revokeDeveloperToken: async (request) => {
      const { principal } = request;
      const { token } = request.body as { token: string };
      if (principal.kind !== 'developer') await authenticateConsole(deps.console, request);
      await deps.tokens.revoke(token, principal.kind === 'developer' ? principal.userId : undefined);
      return answer({ revoked: true, message: 'Developer token and refresh token have been revoked' });
    },
  };
}
