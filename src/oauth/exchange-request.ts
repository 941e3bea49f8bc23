import type { KoaContextWithOIDC } from 'oidc-provider';
import { isRoomId } from '../kernel/ids.ts';
import type { Presenter, ProofTokenType } from '../matrix/proof/index.ts';
import { ourClient } from './client-metadata.ts';
import { isReservedAudience, type OAuthClient, type ReservedAudience } from './clients.ts';
import { OAuthError } from './oauth-error.ts';
import { parseScopes } from './scopes.ts';

/** RFC 8693 section 2.1, and TMCP's own. `resource` and the actor are here to be refused rather than ignored. */
export const exchangeParameters = [
  'audience',
  'resource',
  'scope',
  'requested_token_type',
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'miniapp_context',
  'matrix_server_name',
] as const;

type Parameters = Readonly<Partial<Record<(typeof exchangeParameters)[number] | 'client_id', string>>>;

/** For whom the token will be: the host client itself, or a mini-app's client. */
export type ExchangeTarget = { readonly firstParty: ReservedAudience } | { readonly firstParty?: undefined; readonly client: OAuthClient };

export interface ExchangeRequest {
  readonly target: ExchangeTarget;
  readonly presentedBy: Presenter;
  readonly subjectToken: string;
  readonly tokenType: ProofTokenType;
  readonly matrixServerName: string | undefined;
  /** Undefined when the request named none. */
  readonly scopes: readonly string[] | undefined;
  readonly context: Readonly<Record<string, unknown>> | undefined;
}

export const tepTokenType = 'urn:tmcp:params:oauth:token-type:tep';

const tokenTypes: ReadonlyMap<string, ProofTokenType> = new Map([
  ['urn:ietf:params:oauth:token-type:access_token', 'access_token'],
  ['urn:tmcp:params:oauth:token-type:matrix-openid', 'openid'],
]);
const maxContextBytes = 4096;

const refuse = (description: string): OAuthError => new OAuthError(400, 'invalid_request', description);

/** Decision D2: what names the mini-app, and a reserved audience, must agree. */
function targetOf(ctx: KoaContextWithOIDC, audience: string | undefined): ExchangeTarget {
  const client = ctx.oidc.client!;
  const clientId = client.clientId;
  if (isReservedAudience(clientId)) {
    if (audience !== undefined && audience !== clientId) throw refuse('client_id and audience disagree');
    return { firstParty: clientId };
  }
  const ours = ourClient(client)!;
  if (audience !== undefined && audience !== clientId && audience !== ours.miniappId) throw refuse('client_id and audience disagree');
  return { client: ours };
}

function presenterOf(target: ExchangeTarget): Presenter {
  if (target.firstParty !== undefined) return 'first_party';
  // A confidential client comes this far only with its secret.
  return target.client.kind === 'confidential' ? 'confidential_client' : 'public_client';
}

/** `miniapp_context`: a JSON object, small, and a room id where it names one. */
export function parseContext(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined;
  if (Buffer.byteLength(text) > maxContextBytes) throw refuse(`miniapp_context: at most ${maxContextBytes} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('miniapp_context: not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('miniapp_context: must be a JSON object');
  const context = value as Record<string, unknown>;
  if (context.room_id !== undefined && !isRoomId(context.room_id)) throw refuse('miniapp_context.room_id: not a room id');
  return context;
}

/** Reads and checks everything that the request alone can tell. Throws OAuthError. */
export function readExchangeRequest(ctx: KoaContextWithOIDC): ExchangeRequest {
  const params = (ctx.oidc.params ?? {}) as Parameters;
  const target = targetOf(ctx, params.audience);
  if (params.resource !== undefined) throw new OAuthError(400, 'invalid_target', 'resource: name the target by client_id or audience');
  if (params.actor_token !== undefined || params.actor_token_type !== undefined) throw refuse('actor_token: delegation to another party is not supported');
  if (params.requested_token_type !== undefined && params.requested_token_type !== tepTokenType) throw refuse(`requested_token_type: must be ${tepTokenType}`);
  if (params.subject_token === undefined) throw refuse('subject_token: missing');
  if (params.subject_token_type === undefined) throw refuse('subject_token_type: missing');
  const tokenType = tokenTypes.get(params.subject_token_type);
  if (tokenType === undefined) throw refuse(`subject_token_type: must be one of ${[...tokenTypes.keys()].join(', ')}`);
  return {
    target,
    presentedBy: presenterOf(target),
    subjectToken: params.subject_token,
    tokenType,
    matrixServerName: params.matrix_server_name,
    scopes: params.scope === undefined ? undefined : parseScopes(params.scope),
    context: parseContext(params.miniapp_context),
  };
}
