import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A stand-in for a third party. */
export interface TestServer {
  url: string;
  /** Stops listening and cuts the connections that are still open. */
  close(): Promise<void>;
}

/** Starts an HTTP server on loopback. A `port` brings one back where it was before. */
export async function startServer(handler: RequestListener, options: { port?: number } = {}): Promise<TestServer> {
  const server = createServer(handler);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
