import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:net';
import { startChild, tailOf, type Child } from './child-process.ts';
import { join } from 'node:path';
import { atEnd } from './shutdown.ts';
import { freePort, temporaryDirectory } from './temporary.ts';

const START_LIMIT_MS = 20_000;
const POLL_MS = 20;

/** Says why no Redis can be had; undefined when it can. */
export function redisAvailable(): string | undefined {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'redis-server is not on PATH';
  }
}

/** A private, throw-away Redis, which can be killed and brought back, empty. It is stopped at the end of the run. */
export class Redis {
  readonly port: number;
  readonly url: string;
  readonly #directory = temporaryDirectory('redis');
  #child: Child | undefined;

  constructor(port: number) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    const logFile = join(this.#directory, 'redis.log');
    const child = startChild({ command: 'redis-server', args: ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', this.#directory], directory: this.#directory, logFile, lastSignal: 'SIGKILL' });
    this.#child = child;
    const deadline = performance.now() + START_LIMIT_MS;
    while (!(await this.#answers())) {
      if (!child.running || performance.now() > deadline) throw new Error(`Redis did not start. Its log ends:\n${tailOf(logFile)}`);
      await delay(POLL_MS);
    }
  }

  async kill(): Promise<void> {
    if (this.#child?.running === true) await this.#child.end('SIGKILL');
  }

  /** `SIGSTOP`: it takes connections and does not answer. `SIGCONT` undoes it. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.signal(signal);
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write('PING\r\n'));
      socket.once('data', (data) => {
        socket.destroy();
        resolve(data.toString().startsWith('+PONG'));
      });
      socket.once('error', () => resolve(false));
    });
  }
}

export async function startRedis(): Promise<Redis> {
  const redis = new Redis(await freePort());
  atEnd(() => redis.kill());
  await redis.start();
  return redis;
}
