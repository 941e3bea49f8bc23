import type { Agent, Dispatcher } from 'undici';
import { traceHeaders } from '../kernel/trace.ts';

/** An answer that arrived whole, within its limits. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface BoundedRequest {
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For everything: connecting, waiting and reading. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** The other side did not answer properly: unreachable, too slow, too much. Never carries what was sent. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** The address may not be called, whoever asks. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/** Connections that are kept and used again. The library behind them is loaded when one is first needed: an idle server does without its memory. */
export class HttpConnections {
  readonly #options: Agent.Options;
  #dispatcher: Promise<Dispatcher> | undefined;

  constructor(options: Agent.Options = {}) {
    this.#options = options;
  }

  dispatcher(): Promise<Dispatcher> {
    this.#dispatcher ??= import('undici').then(({ Agent }) => new Agent(this.#options));
    return this.#dispatcher;
  }

  async close(): Promise<void> {
    await (await this.#dispatcher)?.close();
  }
}

/** One HTTP request with a limit on time and size; redirects are not followed. Throws NoAnswer or AddressRefused. */
export async function boundedRequest(connections: HttpConnections, url: URL, options: BoundedRequest): Promise<HttpAnswer> {
  const { method = 'GET', headers = {}, body = null, timeoutMs, maxBytes } = options;
  const where = `${method} ${url.origin}${url.pathname}`;
  const dispatcher = await connections.dispatcher();
  const { request } = await import('undici');
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await request(url, { dispatcher, method, headers: { ...traceHeaders(), ...headers }, body, signal });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) {
        answer.body.destroy();
        throw new NoAnswer(`${where}: the answer is larger than ${maxBytes} bytes`);
      }
      chunks.push(chunk);
    }
    return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks, size) };
  } catch (error) {
    if (error instanceof NoAnswer || error instanceof AddressRefused) throw error;
    throw new NoAnswer(signal.aborted ? `${where}: no answer within ${timeoutMs} ms` : `${where}: ${codeOf(error)}`);
  }
}

/** The error's code, else its class: a message may quote headers. */
const codeOf = (error: unknown): string => {
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (typeof code === 'string') return code;
  return typeof name === 'string' ? name : 'failed';
};
