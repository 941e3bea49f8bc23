import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';

/** A service running as a child of this process. */
export interface Child {
  /** False from the moment the process has ended (or could not be started). */
  readonly running: boolean;
  /** Resolves, never rejects, with how the process ended: "exit code 1", "signal SIGKILL" or why it did not start. */
  readonly ended: Promise<string>;
  readonly pid: number | undefined;
  /** Sends a signal and does not wait. */
  signal(signal: NodeJS.Signals): void;
  /** Sends a signal and waits until the process has ended. After `patienceMs`, SIGKILL follows and the call rejects. */
  end(signal: NodeJS.Signals, patienceMs?: number): Promise<void>;
}

/** How to start a {@link Child}. */
export interface ChildOptions {
  command: string;
  args: string[];
  directory: string;
  /** Standard output and error are appended here. */
  logFile: string;
  /** What ends the child at once when this process goes away. */
  lastSignal: NodeJS.Signals;
  user?: { uid: number; gid: number } | undefined;
  /** The whole environment; this process's own by default. */
  env?: NodeJS.ProcessEnv;
}

const living = new Map<ChildProcess, NodeJS.Signals>();
const DEADLY: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
let guarded = false;

/** Starts a child that does not outlive this process, however this process ends (short of SIGKILL). */
export function startChild(options: ChildOptions): Child {
  guard();
  const log = openSync(options.logFile, 'a');
  const child = spawn(options.command, options.args, {
    cwd: options.directory,
    stdio: ['ignore', log, log],
    ...options.user,
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  closeSync(log);
  living.set(child, options.lastSignal);
  let running = true;
  const ended = new Promise<string>((resolve) => {
    const finish = (how: string): void => {
      running = false;
      living.delete(child);
      resolve(how);
    };
    child.once('error', (error) => finish(error.message));
    child.once('exit', (code, signal) => finish(signal ? `signal ${signal}` : `exit code ${code}`));
  });
  return {
    get running() {
      return running;
    },
    ended,
    pid: child.pid,
    signal: (signal) => void child.kill(signal),
    end: (signal, patienceMs = 30_000) => endChild(child, ended, signal, patienceMs),
  };
}

async function endChild(child: ChildProcess, ended: Promise<string>, signal: NodeJS.Signals, patienceMs: number): Promise<void> {
  child.kill(signal);
  let patience: NodeJS.Timeout | undefined;
  const lost = new Promise<'lost'>((resolve) => {
    patience = setTimeout(() => resolve('lost'), patienceMs);
  });
  const outcome = await Promise.race([ended, lost]);
  clearTimeout(patience);
  if (outcome !== 'lost') return;
  child.kill('SIGKILL');
  await ended;
  throw new Error(`Process ${child.spawnfile} ignored ${signal} for ${patienceMs} ms and was killed.`);
}

/** Ends the children on exit and on the signals that would end this process without running its exit handlers. */
function guard(): void {
  if (guarded) return;
  guarded = true;
  // First of the exit handlers: children end before others delete the directories they work in.
  process.prependListener('exit', endAllNow);
  for (const signal of DEADLY) process.on(signal, onDeadlySignal);
}

function onDeadlySignal(signal: NodeJS.Signals): void {
  // Somebody else (mocha, for SIGINT) has plans for this signal and ends the process in good order: 'exit' will follow.
  if (process.listenerCount(signal) > 1) return;
  process.exit(128 + constants.signals[signal]);
}

function endAllNow(): void {
  for (const [child, signal] of living) child.kill(signal);
}

/** The last lines of a log, for error messages. */
export function tailOf(logFile: string, lines = 40): string {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '(no log was written)';
  }
}
