import { expect } from 'chai';
import { call, type ApiResponse } from '../../support/api.ts';
import type { TestDatabase } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

export const consoleId = 'tmcp_developer_console_001';
export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
export const day = 24 * 60 * 60_000;

export const people = ['dana', 'erin', 'frank', 'grace'] as const;
export type Person = (typeof people)[number];
export const idOf = (person: string): string => `@${person}:example.org`;

/** A server whose homeserver knows everybody (`syt_NAME`), and whose developers are these. */
export async function startPlatform(databases: TestDatabase, developers: readonly Person[] = people, env: Readonly<Record<string, string>> = {}): Promise<WholeServer> {
  const server = await startWholeServer(databases, { TMCP_DEVELOPERS_WHITELIST: developers.map(idOf).join(','), ...env });
  for (const person of [...people, 'mallory']) server.identity.whoami.set(`syt_${person}`, { user_id: idOf(person), is_guest: false });
  return server;
}

/** POST of a form, as OAuth clients do. */
export async function postForm(server: { url: string }, path: string, fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}): Promise<ApiResponse> {
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body: new URLSearchParams(fields) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

export const tokenRequest = (server: { url: string }, fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}): Promise<ApiResponse> =>
  postForm(server, '/oauth2/developer/token', { client_id: consoleId, ...fields }, headers);

/** A token exchange with the person's Matrix access token. */
export const exchangeAs = (server: { url: string }, person: string): Promise<ApiResponse> =>
  tokenRequest(server, { grant_type: tokenExchange, subject_token: `syt_${person}`, subject_token_type: accessTokenType });

export interface Tokens {
  readonly access: string;
  readonly refresh: string;
}

/** Signs a developer in, by the front door. */
export async function signIn(server: { url: string }, person: string): Promise<Tokens> {
  const { status, body } = await exchangeAs(server, person);
  expect(status, JSON.stringify(body)).to.equal(200);
  return { access: body.access_token as string, refresh: body.refresh_token as string };
}

/** Something that only a developer can ask, and that changes nothing: 404 for a good token, 401 for a bad one. */
export async function isGood(server: { url: string }, accessToken: string): Promise<boolean> {
  const { status, body } = await call(server.url, 'GET', '/mini-apps/v1/ma_no_such_app/status', { token: accessToken });
  if (status === 404) return true;
  expect([status, body.error.code]).to.deep.equal([401, 'invalid_developer_token']);
  return false;
}

export const claimsOf = (token: string): Record<string, unknown> => JSON.parse(Buffer.from(token.split('.')[2]!, 'base64url').toString()) as Record<string, unknown>;
export const headerOf = (token: string): Record<string, unknown> => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>;

/** What an answer came to, for comparing. */
export const outcome = ({ status, body }: ApiResponse): [number, unknown] => [status, (body as { error?: { code?: string } | string } | undefined)?.error instanceof Object ? (body as { error: { code: string } }).error.code : (body as { error?: string }).error];

export const community = { name: 'Chess', technical: { entry_url: 'https://chess.example', redirect_uris: ['https://chess.example/cb'], scopes_requested: ['storage:read'] } };

/** An organisation with these members, everyone invited and accepted by the front door. */
export async function foundWith(server: WholeServer, founder: Tokens, members: Readonly<Record<string, { tokens: Tokens; role: string }>>): Promise<string> {
  const founded = await call(server.url, 'POST', '/organizations/v1/create', { token: founder.access, body: { name: 'Example Corp' } });
  expect(founded.status).to.equal(201);
  const orgId = founded.body.org_id as string;
  for (const [person, { tokens, role }] of Object.entries(members)) {
    const invited = await call(server.url, 'POST', `/organizations/v1/${orgId}/members`, { token: founder.access, body: { matrix_user_id: idOf(person), role } });
    expect(invited.status).to.equal(201);
    const accepted = await call(server.url, 'POST', `/organizations/v1/invitations/${invited.body.invitation_id as string}/accept`, { token: tokens.access });
    expect(accepted.status).to.equal(200);
  }
  return orgId;
}
