import { parentPort, workerData } from 'node:worker_threads';
import { runChecks } from './run.ts';
import type { Material } from './types.ts';

// Code of strangers is read in a thread of its own: what makes a parser hang or eat memory ends this thread and nothing else.
parentPort?.postMessage(await runChecks(workerData as Material));
