import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

/**
 * `npm test`: the suites in two processes side by side, those that mostly wait for other processes and those that mostly compute.
 * With arguments: those files only, in one.
 */

/** Suites whose work is done by servers, browsers and homeservers of their own. */
const waiting = ['browser', 'cli', 'faults', 'homeserver'];
const computing = readdirSync(new URL('../test/', import.meta.url)).filter((folder) => folder !== 'support' && !waiting.includes(folder));

const testsIn = (folders: readonly string[]): string[] => folders.map((folder) => `test/${folder}/**/*.test.ts`);

/** No test takes this long to say anything (test/faults/kill.test.ts is given 12 minutes): a run that is silent for longer hangs, and would hang for ever. */
const silenceMs = 13 * 60_000;
/** For all of it; a whole run takes a third of this. */
const totalMs = 50 * 60_000;

interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** Ends a run with everything that it started: each is a process group of its own. */
function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch {
    child.kill(signal);
  }
}

/** Ends a run that hangs, and has it say so. Returns what to call when it has said something, and when it has ended. */
function watch(child: ChildProcess, giveUp: (why: string) => void): { readonly heard: () => void; readonly stop: () => void } {
  const end = (why: string) => () => {
    giveUp(why);
    endGroup(child, 'SIGTERM');
    setTimeout(() => endGroup(child, 'SIGKILL'), 10_000).unref();
  };
  const total = setTimeout(end(`is not done after ${totalMs / 60_000} minutes`), totalMs);
  const silence = setTimeout(end(`has been silent for ${silenceMs / 60_000} minutes`), silenceMs);
  return {
    heard: () => silence.refresh(),
    stop: () => {
      clearTimeout(total);
      clearTimeout(silence);
    },
  };
}

/** Processes that run side by side take the ports of their tests from ranges of their own. */
const ports = { waiting: '20000-25999', computing: '26000-31999' } as const;

/** Runs mocha; its report is shown at once or kept until the end. */
function run(args: readonly string[], show: boolean, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn('mocha', args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env, ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}) } });
    const chunks: Buffer[] = [];
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      if (show) process.stdout.write(chunk);
    };
    const { heard, stop } = watch(child, (why) => take(Buffer.from(`\nThe run of ${args.join(' ')} ${why} and is ended.\n`)));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        heard();
        take(chunk);
      });
    }
    child.once('error', reject);
    const finish = (code: number | null): void => {
      stop();
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString('utf8') });
    };
    child.once('close', finish);
    // What a test left running may hold the pipes open after mocha itself is gone.
    child.once('exit', (code) => setTimeout(() => finish(code), 5000).unref());
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => endGroup(child, signal));
  });
}

/** The numbers of the report's last line; a run that did not come to it has failed. */
function countsOf({ output }: Outcome): number[] {
  const numbers = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(output.slice(-2000));
  return numbers === null ? [0, 1, 0] : numbers.slice(1).map(Number);
}

/** What mocha says of the tests that failed, from their number on; empty where none did. */
function failuresOf({ output }: Outcome): string {
  const plain = stripVTControlCharacters(output);
  const start = plain.search(/^ {2}\d+ failing$/m);
  return start === -1 ? '' : plain.slice(start);
}

const files = process.argv.slice(2);
if (files.length > 0) {
  process.exitCode = (await run(files, true)).code;
} else {
  const later = run(testsIn(waiting), false, { TMCP_TEST_PORTS: ports.waiting });
  const outcomes = [await run(testsIn(computing), true, { TMCP_TEST_PORTS: ports.computing }), await later];
  process.stdout.write(`\n${outcomes[1]!.output}`);
  const [passed, failed, skipped] = outcomes.map(countsOf).reduce((sums, counts) => sums.map((sum, index) => sum + counts[index]!));
  // Once more at the end: it is what a reader looks for, and all that is left where a log is cut.
  for (const failures of outcomes.map(failuresOf)) if (failures !== '') console.log(`\n${failures}`);
  console.log(`\nBoth together:\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = outcomes.some(({ code }) => code !== 0) || failed !== 0 ? 1 : 0;
}
