export { createJobQueue, type JobQueue } from './queue.ts';
export { Worker, type Settlement, type WorkerOptions } from './worker.ts';
export { backoffMs } from './retry.ts';
export { Park, RateLimited, Unavailable, type Job, type JobKind, type NewJob, type Recording } from './types.ts';
export { countUnfinished, discardJob, dropAllLeases, findJob, hasten, listJobs, purgeFinished, replayJob, replayParkedJobs, type JobSummary, type QueueCount } from './repo.ts';
