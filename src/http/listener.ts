import { createServer, STATUS_CODES, type RequestListener, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId } from '../kernel/ids.ts';
import { errorBody } from './errors.ts';

export interface ListenerOptions {
  /** For all headers of a request to arrive. */
  readonly headersTimeoutMs: number;
  /** For a whole request to arrive, its body included; not for its answer. */
  readonly requestTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
  readonly clock: Clock;
}

/** How often connections are looked through for those that are too slow. */
const checkEveryMs = 1000;
/** Longer than proxies keep idle connections (nginx: 60 s), so that it is they who close them. */
const keepAliveMs = 75_000;

/** What is wrong with a request that never became one. */
function refusalOf(code: string | undefined): AppError {
  if (code === 'HPE_HEADER_OVERFLOW') return new AppError('HEADERS_TOO_LARGE', 'The address and headers of the request are too large');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new AppError('REQUEST_TIMEOUT', 'The request did not arrive in time');
  return new AppError('INVALID_REQUEST', 'This is no HTTP request');
}

/** The envelope here too; nothing where an answer has begun. */
function refuse(clock: Clock, error: NodeJS.ErrnoException, socket: Duplex & { readonly _httpMessage?: { readonly headersSent: boolean } | null }): void {
  if (!socket.writable || error.code === 'ECONNRESET' || socket._httpMessage?.headersSent === true) {
    socket.destroy();
    return;
  }
  const refusal = refusalOf(error.code);
  const body = JSON.stringify(errorBody(refusal, clock.now(), newId('req')));
  socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

/** An HTTP server that slow and greedy clients can't hold up. */
export function createListener(handler: RequestListener, { headersTimeoutMs, requestTimeoutMs, maxHeaderBytes, maxConnections, clock }: ListenerOptions): Server {
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: Math.max(requestTimeoutMs, headersTimeoutMs),
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: maxHeaderBytes,
      connectionsCheckingInterval: Math.min(checkEveryMs, headersTimeoutMs),
      insecureHTTPParser: false,
      // Refused by the gateway, in its own form.
      requireHostHeader: false,
    },
    handler,
  );
  server.maxConnections = maxConnections;
  // An expectation that is not understood may be left alone (RFC 9110 section 10.1.1).
  server.on('checkExpectation', handler);
  server.on('clientError', (error, socket) => refuse(clock, error, socket));
  return server;
}
