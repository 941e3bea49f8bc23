import { Worker } from 'node:worker_threads';
import { blankReport } from './report.ts';
import type { Material, Report } from './types.ts';

export type { Advisory, Material, Report } from './types.ts';

const maxHeapMb = 512;
const program = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);

/** Runs the checks in a thread of its own. Whatever happens to it, there is a report: at worst one in which nothing was run. */
export function runInThread(material: Material, timeoutMs: number): Promise<Report> {
  return new Promise((resolve) => {
    const thread = new Worker(program, { workerData: material, resourceLimits: { maxOldGenerationSizeMb: maxHeapMb }, stdout: false, stderr: true });
    const settle = (report: Report): void => {
      clearTimeout(timer);
      resolve(report);
      void thread.terminate();
    };
    const timer = setTimeout(() => settle(blankReport(`the checks took longer than ${timeoutMs} ms`)), timeoutMs);
    thread.once('message', (report: Report) => settle(report));
    thread.once('error', (error: Error) => settle(blankReport(`the checks failed: ${error.message.slice(0, 200)}`)));
    thread.once('exit', () => settle(blankReport('the checks ended early')));
  });
}
