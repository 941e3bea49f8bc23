import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { prepareServer, type ServerOptions, type ServerProcess } from './server-process.ts';
import { temporaryDirectory } from './temporary.ts';

/**
 * Where a server process can kill itself. A commit is named by a table that its transaction writes to, a reply by the beginning of the
 * request's path, a call to another server by a part of its address; `after-call` is when the answer has arrived and nobody has looked at it.
 */
export type CrashPoint = { readonly [Point in 'before-commit' | 'after-commit' | 'before-reply' | 'before-call' | 'after-call']: Readonly<Record<Point, string>> }['before-commit' | 'after-commit' | 'before-reply' | 'before-call' | 'after-call'];

export interface CrashingServer {
  readonly process: ServerProcess;
  /** The process dies when it next comes there, once. */
  crashAt(point: CrashPoint): void;
  /** The process stops when it next comes there, once, and goes on after SIGCONT. Returns what waits for that. */
  stopAt(point: CrashPoint): () => Promise<void>;
  /** Waits until it has died where it was told to. Throws when it ended otherwise. */
  crashed(): Promise<void>;
}

/** The real program, with `crash-at.ts` in front of it. */
export async function prepareCrashingServer(options: ServerOptions): Promise<CrashingServer> {
  const file = join(temporaryDirectory('crash'), 'at');
  const process = await prepareServer({ ...options, env: { ...options.env, NODE_OPTIONS: `--import=${join(import.meta.dirname, 'crash-at.ts')}`, CRASH_AT_FILE: file } });
  const write = (signal: NodeJS.Signals, point: CrashPoint): void => {
    const [[name, of]] = Object.entries(point) as [[string, string]];
    writeFileSync(file, `${signal} ${name} ${of}`);
  };
  return {
    process,
    crashAt: (point) => write('SIGKILL', point),
    stopAt(point) {
      write('SIGSTOP', point);
      return () => eventually(() => { if (existsSync(file)) throw new Error('not yet'); }, { description: 'the process comes to where it stops' });
    },
    async crashed() {
      const how = await process.ended();
      if (how !== 'signal SIGKILL') throw new Error(`The server ended otherwise than it was told to: ${how}`);
    },
  };
}
