import type { IncomingMessage, ServerResponse } from 'node:http';
import { OAuthError, outageRetrySeconds } from './oauth-error.ts';

/** Answers JSON. `cacheControl` is `no-store` for everything that is about one caller. */
export function sendJson(res: ServerResponse, status: number, body: object, headers: Readonly<Record<string, string>> = {}): void {
  const text = JSON.stringify(body);
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', 'content-length': Buffer.byteLength(text), ...headers });
  res.end(text);
}

/** RFC 6749 section 5.2, and the challenge of RFC 6750 with every 401. */
export function sendError(res: ServerResponse, error: OAuthError): void {
  const challenge = error.status === 401 ? { 'www-authenticate': 'Bearer' } : {};
  const retry = error.status === 503 ? { 'retry-after': String(outageRetrySeconds) } : error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) };
  sendJson(res, error.status, { error: error.error, error_description: error.error_description, ...error.fields }, { ...challenge, ...retry });
}

const maxBodyBytes = 16 * 1024;

async function readText(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new OAuthError(413, 'invalid_request', `body: at most ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A JSON object or a form as a record. Throws OAuthError. */
export async function readBody(req: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const type = (req.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type === 'application/x-www-form-urlencoded') return Object.fromEntries(new URLSearchParams(await readText(req)));
  if (type !== 'application/json') throw new OAuthError(415, 'invalid_request', 'body: must be JSON or a form');
  const text = await readText(req);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new OAuthError(400, 'invalid_request', 'body: must be a JSON object');
}

/** A form, whose fields may repeat. */
export type Form = URLSearchParams;

/** The form in the body. Throws OAuthError. */
export async function readForm(req: IncomingMessage): Promise<Form> {
  const type = (req.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') throw new OAuthError(415, 'invalid_request', 'body: must be a form');
  return new URLSearchParams(await readText(req));
}

/** The token of `Authorization: Bearer`. Throws a 401 without one. */
export function bearerToken(req: IncomingMessage): string {
  const [, token] = /^Bearer +([^ ]+)$/i.exec(req.headers.authorization ?? '') ?? [];
  if (token === undefined) throw new OAuthError(401, 'invalid_grant', 'Matrix token is missing');
  return token;
}
