/** An answer of the API, read. */
export interface ApiResponse {
  readonly status: number;
  readonly headers: Headers;
  // Tests look at whatever the body has.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';

/** Calls the API; a body goes as JSON. */
export async function call(baseUrl: string, method: string, path: string, options: { readonly token?: string; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } = {}): Promise<ApiResponse> {
  const response = await fetch(`${baseUrl}${path}`, {
    method,
    headers: {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

/** Token exchange (RFC 8693) of the user's Matrix access token. */
export async function exchange(baseUrl: string, matrixAccessToken: string, parameters: Readonly<Record<string, string>>): Promise<ApiResponse> {
  const response = await fetch(`${baseUrl}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: tokenExchange, subject_token: matrixAccessToken, subject_token_type: accessTokenType, ...parameters }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) };
}

/** A first-party access token (decision D2) through the front door. Throws when it is refused. */
export async function firstPartyToken(baseUrl: string, matrixAccessToken: string, audience: 'tmcp_store' | 'tmcp_p2p' | 'tmcp_wallet'): Promise<string> {
  const { status, body } = await exchange(baseUrl, matrixAccessToken, { audience });
  if (status !== 200) throw new Error(`token exchange answered ${status}: ${JSON.stringify(body)}`);
  return body.access_token as string;
}
