import { execFile } from 'node:child_process';
import { join } from 'node:path';

/** How a run of the command line ended. */
export interface Answer {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TmcpOptions {
  /** Nothing of this process's environment but PATH reaches the program. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const program = join(import.meta.dirname, '../../src/cli/main.js');
const LIMIT_MS = 60_000;

/** Runs the real program in a process of its own, to its end. */
export function tmcp(args: readonly string[], { env = {}, cwd }: TmcpOptions = {}): Promise<Answer> {
  const options = { ...(cwd === undefined ? {} : { cwd }), env: { PATH: process.env.PATH, ...env }, timeout: LIMIT_MS, killSignal: 'SIGKILL' as const, maxBuffer: Infinity };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['--disable-warning=DEP0060', program, ...args], options, (_failure, stdout, stderr) => {
      resolve({ code: child.exitCode ?? child.signalCode, stdout, stderr });
    });
  });
}

/** As {@link tmcp}, for a run that must succeed: returns what it printed. */
export async function tmcpPrints(args: readonly string[], options?: TmcpOptions): Promise<string> {
  const { code, stdout, stderr } = await tmcp(args, options);
  if (code !== 0) throw new Error(`tmcp ${args.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
}

/** As {@link tmcpPrints}, read as JSON. */
export const tmcpJson = async (args: readonly string[], options?: TmcpOptions): Promise<unknown> => JSON.parse(await tmcpPrints(args, options)) as unknown;
