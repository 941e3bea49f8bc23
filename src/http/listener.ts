import { createServer, type RequestListener, type Server } from 'node:http';

export interface ListenerOptions {
  /** For all headers of a request to arrive. */
  readonly headersTimeoutMs: number;
  /** For a whole request to arrive, its body included; not for its answer. */
  readonly requestTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
}

/** How often connections are looked through for those that are too slow. */
const checkEveryMs = 1000;
/** Longer than proxies keep idle connections (nginx: 60 s), so that it is they who close them. */
const keepAliveMs = 75_000;

/** An HTTP server that slow and greedy clients can't hold up. */
export function createListener(handler: RequestListener, { headersTimeoutMs, requestTimeoutMs, maxHeaderBytes, maxConnections }: ListenerOptions): Server {
  const server = createServer(
    { headersTimeout: headersTimeoutMs, requestTimeout: Math.max(requestTimeoutMs, headersTimeoutMs), keepAliveTimeout: keepAliveMs, maxHeaderSize: maxHeaderBytes, connectionsCheckingInterval: Math.min(checkEveryMs, headersTimeoutMs), insecureHTTPParser: false },
    handler,
  );
  server.maxConnections = maxConnections;
  return server;
}
