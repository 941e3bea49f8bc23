import type { IncomingMessage, ServerResponse } from 'node:http';
import type { UserId } from '../kernel/ids.ts';
import { developerPage } from '../web/pages.ts';
import { PageError, seeOther, sendPage, type Browser } from './browser.ts';
import type { OAuthParts } from './deps.ts';
import { developerAuthorizePath, signInPath } from './sign-in.ts';

/** What a browser signs a developer in to: the platform's own console (specification section 4.4.9). */
export interface DeveloperSignIn {
  /** Whether codes of this console may go there: compared exactly. */
  isTarget(clientId: string, redirectUri: string): boolean;
  /** A code for the console to redeem; undefined for who is not on the whitelist. */
  issueCode(request: { readonly userId: UserId; readonly clientId: string; readonly redirectUri: string; readonly codeChallenge: string }): Promise<string | undefined>;
}

interface Request {
  readonly path: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly state: string | undefined;
}

/** 32 bytes in base64url (RFC 7636 section 4.2). */
const challengeForm = /^[\w-]{43}$/;
const maxStateLength = 1024;

/** Why the request can't go on, in words of RFC 6749 section 4.1.2.1; undefined when it can. */
function faultOf(query: URLSearchParams): readonly [error: string, description: string] | undefined {
  const repeated = [...new Set(query.keys())].find((name) => query.getAll(name).length > 1);
  if (repeated !== undefined) return ['invalid_request', `${repeated}: given twice`];
  if ((query.get('state') ?? '').length > maxStateLength) return ['invalid_request', `state: at most ${maxStateLength} characters`];
  if (query.get('response_type') !== 'code') return ['unsupported_response_type', 'response_type: must be code'];
  if ((query.get('response_mode') ?? 'query') !== 'query') return ['invalid_request', 'response_mode: must be query'];
  if (query.get('code_challenge_method') !== 'S256') return ['invalid_request', 'code_challenge_method: must be S256'];
  return challengeForm.test(query.get('code_challenge') ?? '') ? undefined : ['invalid_request', 'code_challenge: must be 43 characters of base64url'];
}

/** `GET|POST /oauth2/developer/authorize`: a developer signs in with Matrix and lets the console have a code (sections 4.4.1, 4.4.3). */
export function createDeveloperPages(parts: OAuthParts, browser: Browser, developers: DeveloperSignIn) {
  const { issuer } = parts.options;

  const answer = (res: ServerResponse, { redirectUri, state }: Request, fields: Readonly<Record<string, string>>): void => {
    const url = new URL(redirectUri);
    // RFC 9207: which server this is an answer of.
    for (const [name, value] of Object.entries({ ...fields, ...(state === undefined ? {} : { state }), iss: issuer })) url.searchParams.set(name, value);
    seeOther(res, url.href);
  };
  /** The request when it can be asked; undefined when it has been answered. What names no console and address of ours is told here and goes nowhere. */
  const read = (res: ServerResponse, query: URLSearchParams): Request | undefined => {
    const [clientId = '', ...otherClients] = query.getAll('client_id');
    const [redirectUri = '', ...otherUris] = query.getAll('redirect_uri');
    if (otherClients.length + otherUris.length > 0 || !developers.isTarget(clientId, redirectUri)) {
      throw new PageError(400, 'This link does not work', 'It names no developer console of this server, or an address that is not registered for it (client_id, redirect_uri).');
    }
    const request: Request = { path: `${developerAuthorizePath}?${query.toString()}`, clientId, redirectUri, state: query.getAll('state').length === 1 ? query.get('state')!.slice(0, maxStateLength) : undefined };
    const fault = faultOf(query);
    if (fault === undefined) return request;
    const [error, description] = fault;
    answer(res, request, { error, error_description: description });
    return undefined;
  };

  return {
    async show(req: IncomingMessage, res: ServerResponse, query: URLSearchParams): Promise<void> {
      const request = read(res, query);
      if (request === undefined) return;
      const signedIn = await browser.signedIn(req);
      if (signedIn === undefined) return seeOther(res, signInPath(request.path));
      const html = developerPage({ csrfToken: browser.csrfToken(req, res), action: request.path, userId: signedIn.userId, destination: new URL(request.redirectUri).host, signOutHref: signInPath(request.path) });
      sendPage(res, html, { formActions: [request.redirectUri] });
    },
    async submit(req: IncomingMessage, res: ServerResponse, query: URLSearchParams): Promise<void> {
      const form = await browser.form(req);
      const request = read(res, query);
      if (request === undefined) return;
      const signedIn = await browser.signedIn(req);
      if (signedIn === undefined) return seeOther(res, signInPath(request.path));
      await parts.limits.consent(req, signedIn.userId);
      if (form.get('decision') !== 'approve') return answer(res, request, { error: 'access_denied', error_description: 'The user said no' });
      const code = await developers.issueCode({ userId: signedIn.userId, clientId: request.clientId, redirectUri: request.redirectUri, codeChallenge: query.get('code_challenge')! });
      parts.log.info({ developer: signedIn.userId, client_id: request.clientId, allowed: code !== undefined }, 'a developer signed in to the console');
      answer(res, request, code === undefined ? { error: 'access_denied', error_description: 'developer_not_whitelisted: ask the administrator of this server' } : { code });
    },
  };
}
