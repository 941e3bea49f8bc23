import { connect, type Socket } from 'node:net';

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

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').setNoDelay(true);
    this.#socket.on('error', (error) => this.#settle?.reject(error));
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
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
}

/** Sends `count` requests, `inFlight` at a time, and measures. */
export async function drive(port: number, count: number, inFlight: number, next: (n: number) => Buffer): Promise<Load> {
  const connections = Array.from({ length: inFlight }, () => new Connection(port));
  const latencies = new Float64Array(count);
  let sent = 0;
  const begin = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      for (let n = sent++; n < count; n = sent++) {
        const start = performance.now();
        await connection.send(next(n));
        latencies[n] = performance.now() - start;
      }
    }),
  );
  const seconds = (performance.now() - begin) / 1000;
  for (const connection of connections) connection.close();
  latencies.sort();
  return { perSecond: count / seconds, p50Ms: latencies[Math.floor(count / 2)]!, p99Ms: latencies[Math.floor(count * 0.99)]! };
}
