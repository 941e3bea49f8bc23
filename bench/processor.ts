import { readFileSync } from 'node:fs';

export interface ProcessorTime {
  /** Milliseconds that a thread has run, and that it was ready to and had to wait because others ran. */
  readonly ranMs: number;
  readonly waitedMs: number;
}

/** Of the main thread of a process, where the system tells it (Linux). */
export function mainThreadOf(pid: number): (() => ProcessorTime) | undefined {
  const file = `/proc/${pid}/task/${pid}/schedstat`;
  const read = (): ProcessorTime => {
    const [ran = 0, waited = 0] = readFileSync(file, 'latin1').split(' ').map(Number);
    return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
  };
  try {
    read();
    return read;
  } catch {
    return undefined;
  }
}
