import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** One request, whole, as bytes: the client must cost less than any server. */
export function requestBytes(method: string, path: string, token: string, body?: unknown): Buffer {
  const text = body === undefined ? '' : JSON.stringify(body);
  const entity = body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n`;
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\n${entity}\r\n${text}`);
}

const headEnd = Buffer.from('\r\n\r\n');

/** A connection on which one request after another is sent. */
class Connection {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #size = 0;
  #expected = 0;
  #settle: { resolve: (body: Buffer) => void; reject: (error: Error) => void } | undefined;

  private constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').setNoDelay(true);
    this.#socket.on('error', (error) => this.#settle?.reject(error));
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  static async open(port: number): Promise<Connection> {
    const connection = new Connection(port);
    await once(connection.#socket, 'connect');
    return connection;
  }

  send(request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#size += chunk.length;
    if (this.#expected === 0) {
      const all = Buffer.concat(this.#received);
      const end = all.indexOf(headEnd);
      if (end < 0) return;
      const head = all.toString('latin1', 0, end);
      if (!head.startsWith('HTTP/1.1 200')) return this.#settle?.reject(new Error(all.toString('utf8')));
      this.#expected = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1]);
    }
    if (this.#size < this.#expected) return;
    const answer = Buffer.concat(this.#received);
    this.#received = [];
    this.#size = 0;
    this.#expected = 0;
    this.#settle?.resolve(answer);
  }
}

export interface Load {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of each request, in the order in which they were sent. */
  readonly latenciesMs: Float64Array;
}

export const percentile = (values: Iterable<number>, share: number): number => {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
};

/** Connections are open before the first request is due: they are no part of any. */
async function spread(port: number, count: number, inFlight: number, send: (connection: Connection, n: number, begin: number) => Promise<number>): Promise<Load> {
  const connections = await Promise.all(Array.from({ length: inFlight }, () => Connection.open(port)));
  const latencies = new Float64Array(count);
  let sent = 0;
  const begin = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      for (let n = sent++; n < count; n = sent++) latencies[n] = await send(connection, n, begin);
    }),
  );
  const seconds = (performance.now() - begin) / 1000;
  for (const connection of connections) connection.close();
  return { perSecond: count / seconds, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99), latenciesMs: latencies };
}

/** Sends `count` requests, `inFlight` at a time, and measures. */
export const drive = (port: number, count: number, inFlight: number, next: (n: number) => Buffer): Promise<Load> =>
  spread(port, count, inFlight, async (connection, n) => {
    const start = performance.now();
    await connection.send(next(n));
    return performance.now() - start;
  });

const mostInFlight = 64;

/** Sends `perSecond` requests a second, whether those before were answered or not; each is measured from the moment at which it was due. */
export const driveAt = (port: number, count: number, perSecond: number, next: (n: number) => Buffer): Promise<Load> =>
  spread(port, count, mostInFlight, async (connection, n, begin) => {
    const due = begin + (n * 1000) / perSecond;
    const early = due - performance.now();
    if (early > 0) await delay(early);
    await connection.send(next(n));
    return performance.now() - due;
  });
