import type { Config, Registration } from '../../config/index.ts';
import { systemClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
// Not through the door, behind which the bridge library waits to be loaded.
import { path as homeserverPath } from '../../matrix/homeserver.ts';

/** An answer over HTTP, or why there was none. */
export type Reply =
  | { readonly answered: true; readonly status: number; readonly body: Readonly<Record<string, unknown>>; readonly clockSkewMs: number | undefined }
  | { readonly answered: false; readonly problem: string };

/** Questions over the network. Each is asked at most once. */
export interface Probe {
  versions(): Promise<Reply>;
  whoami(): Promise<Reply>;
  ping(): Promise<Reply>;
  /** Our own listener. */
  self(): Promise<Reply>;
  get(url: string): Promise<Reply>;
}

/** For what should answer at once; a ping waits for the homeserver, which waits for us. */
const patienceMs = 10_000;

interface Question {
  readonly url: string;
  readonly timeoutMs?: number;
  readonly bearer?: string | undefined;
  /** Makes it a POST. */
  readonly body?: object;
}

/** How far the other clock is ahead: HTTP dates are whole seconds, so it reads half a second late. */
function skew(date: string | null, sentAt: number, receivedAt: number): number | undefined {
  const there = date === null ? NaN : Date.parse(date);
  return Number.isNaN(there) ? undefined : there + 500 - (sentAt + receivedAt) / 2;
}

function problemOf(error: unknown, timeoutMs: number): string {
  const { name, message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError') return `no answer within ${timeoutMs / 1000} s`;
  return cause?.code ?? cause?.message ?? message;
}

const isFields = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

async function ask({ url, bearer, body, timeoutMs = patienceMs }: Question): Promise<Reply> {
  const sentAt = systemClock.now();
  try {
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // A redirect is not an answer of a homeserver, and would carry the token elsewhere.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const clockSkewMs = skew(response.headers.get('date'), sentAt, systemClock.now());
    const answer: unknown = await response.json().catch(() => undefined);
    return { answered: true, status: response.status, body: isFields(answer) ? answer : {}, clockSkewMs };
  } catch (error) {
    return { answered: false, problem: problemOf(error, timeoutMs) };
  }
}

/** Where this server listens, as reached from this machine. */
function ownUrl({ host, port }: Config['server']): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `http://${reachable}:${port}/health/live`;
}

function once(question: () => Promise<Reply>): () => Promise<Reply> {
  let reply: Promise<Reply> | undefined;
  return () => (reply ??= question());
}

export function createProbe(config: Config, registration: Registration | undefined): Probe {
  const { url, request_timeout_ms: requestTimeoutMs } = config.homeserver;
  const bearer = registration?.asToken;
  return {
    versions: once(() => ask({ url: `${url}${homeserverPath.versions}` })),
    whoami: once(() => ask({ url: `${url}/_matrix/client/v3/account/whoami`, bearer })),
    ping: once(() => ask({ url: `${url}${homeserverPath.ping(registration?.id ?? '')}`, bearer, body: { transaction_id: newId('ping') }, timeoutMs: Math.max(requestTimeoutMs, patienceMs) })),
    self: once(() => ask({ url: ownUrl(config.server) })),
    get: (address) => ask({ url: address }),
  };
}
